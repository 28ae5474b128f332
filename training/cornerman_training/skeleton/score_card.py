"""Adds to a model card what weights score on people and in the gym, as the commands that measure it print it:

`python -m cornerman_training.skeleton.score_card --card MODEL_CARD.md --people DIR [--net FILE]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

MARK: Final = "## Measured after training\n"
_SAID: Final = """Thresholds were tuned on half A of the labelled people and on validation sessions of the gym
(`cornerman_training.skeleton.tune`); half B is other people and other takes. No clip was trained on, but all were
looked at while exercises, views and limits were chosen. Small sets say little.
"""


def _block(name: str, arguments: Sequence[str]) -> str:
    command = [sys.executable, "-m", f"cornerman_training.skeleton.{name}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # the gate fails where one demand does
    if not done.stdout.strip():
        raise RuntimeError(f"{name} printed nothing (status {done.returncode}): {done.stderr.strip()[-300:]}")
    return done.stdout.rstrip()


def _parts(people: Path, net: Path | None) -> Iterator[str]:
    weights = ["--net", str(net)] if net else []
    yield "### What `make coach-gate` demands"
    yield f"```text\n{_block('coach_gate', ['--people', str(people), *weights])}\n```"
    yield "### The held-out gym without rendering"
    yield f"```text\n{_block('held_out', weights)}\n```"
    yield "### People by halves"
    yield _block("halves", ["--people", str(people), *weights])


def add(card: Path, people: Path, net: Path | None = None) -> None:
    """Write the part of a card below `MARK` anew.

    Raises:
        RuntimeError: a measurement printed nothing.
    """
    before = card.read_text(encoding="utf-8").partition(MARK)[0].rstrip("\n")
    measured = "\n\n".join(_parts(people, net))
    card.write_text(f"{before}\n\n{MARK}{_SAID}\n{measured}\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", type=Path, required=True, help="a model card that a training run left")
    parser.add_argument("--people", type=Path, required=True, help="folder of labelled people")
    parser.add_argument("--net", type=Path, help="weights; the bundled ones when absent")
    args = parser.parse_args()
    add(args.card, args.people, args.net)


if __name__ == "__main__":
    main()
