"""Draws an evaluation: feedbacks over time, the confusion of mistakes, and delays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from cornerman_training.evaluate.messages import SessionResult
from cornerman_training.evaluate.report import PRAISE, EvaluationReport

_COLOUR = {"correct": "tab:red", "feedback": "tab:green"}


def draw_all(results: Sequence[SessionResult], report: EvaluationReport, folder: Path) -> list[Path]:
    """Writes timeline.png, confusion.png and delays.png; returns their paths."""
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "timeline.png", folder / "confusion.png", folder / "delays.png"]
    _timeline(results, paths[0])
    _confusion(report, paths[1])
    _delays(report, paths[2])
    return paths


def _timeline(results: Sequence[SessionResult], path: Path, most: int = 12) -> None:
    from matplotlib import pyplot as plt

    shown = results[:most]
    figure, axis = plt.subplots(figsize=(11, 0.55 * len(shown) + 1.3))
    for y, result in enumerate(shown):
        axis.hlines(y, 0, result.session.duration_s, color="0.85", linewidth=7, zorder=0)
        for t in result.session.truth:
            axis.plot(t.time_s, y - 0.17, marker="v", color=_COLOUR[t.action], markersize=6)
        for s in result.said:
            axis.plot(s.time_s, y + 0.17, marker="^", color=_COLOUR[s.action], markersize=6, markerfacecolor="none")
    axis.set_yticks(range(len(shown)), [r.session.name for r in shown], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("s   (filled: truth, hollow: said; red: correction, green: praise)")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _confusion(report: EvaluationReport, path: Path) -> None:
    from matplotlib import pyplot as plt

    def name(meaning: tuple[str, str] | None) -> str:
        if meaning is None:
            return "unknown"
        return PRAISE if meaning[1] == PRAISE else f"{meaning[0]}:{meaning[1]}"

    truth = [name((m.truth.exercise, m.truth.mistake or PRAISE)) for m in report.matches]
    meant = [name(m.meant) for m in report.matches]
    labels = sorted({*truth, *meant}) or ["nothing met"]
    table = np.zeros((len(labels), len(labels)))
    for a, b in zip(truth, meant, strict=True):
        table[labels.index(a), labels.index(b)] += 1
    size = 3 + 0.32 * len(labels)
    figure, axis = plt.subplots(figsize=(size, size))
    axis.imshow(table, cmap="Blues")
    for i, j in np.argwhere(table > 0):
        axis.text(j, i, int(table[i, j]), ha="center", va="center", fontsize=7)
    axis.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    axis.set_yticks(range(len(labels)), labels, fontsize=7)
    axis.set_xlabel("said")
    axis.set_ylabel("truth")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _delays(report: EvaluationReport, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3))
    axis.hist(report.delays_s, bins=np.linspace(-1.5, 1.5, 25).tolist())
    axis.set_xlabel("said after the truth, s of media time")
    axis.set_ylabel("feedbacks")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
