"""The log of a training run: one JSON line per report, and its curves as a picture."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl


class TrainLog:
    """Appends numbers to `folder/NAME.jsonl` and draws them to `folder/NAME.png`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines, self._picture = folder / f"{name}.jsonl", folder / f"{name}.png"
        self._name = name
        self._started = time.monotonic()

    def write(self, step: int, steps: int, values: Mapping[str, float]) -> None:
        """Records and prints the numbers of one step."""
        row = {"step": step, "wall_s": round(time.monotonic() - self._started, 1)}
        row |= {k: round(v, 5) for k, v in values.items() if math.isfinite(v)}
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = " ".join(f"{k} {v:.3f}" for k, v in values.items())
        print(f"[{self._name}] {step}/{steps} {row['wall_s']:.0f} s  {shown}", flush=True)

    def rows(self) -> list[dict[str, float]]:
        """All rows written so far, earlier runs included."""
        if not self._lines.exists():
            return []
        return [json.loads(line) for line in self._lines.read_text(encoding="utf-8").splitlines()]

    def draw(self) -> Path:
        """Draws one panel per number over the steps; returns the picture's path."""
        mpl.use("Agg")
        from matplotlib import pyplot as plt

        rows = self.rows()
        names = sorted({k for row in rows for k in row} - {"step", "wall_s"})
        columns = min(4, max(1, len(names)))
        lines = max(1, math.ceil(len(names) / columns))
        figure, axes = plt.subplots(lines, columns, figsize=(3.2 * columns, 2.3 * lines), squeeze=False)
        for axis, name in zip(axes.flat, names, strict=False):
            points = [(row["step"], row[name]) for row in rows if name in row]
            axis.plot([p[0] for p in points], [p[1] for p in points], linewidth=1.2)
            axis.set_title(name, fontsize=9)
            axis.grid(alpha=0.3)
        for axis in list(axes.flat)[len(names) :]:
            axis.axis("off")
        figure.tight_layout()
        figure.savefig(self._picture, dpi=90)
        plt.close(figure)
        return self._picture
