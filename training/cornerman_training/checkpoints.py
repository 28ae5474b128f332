"""Reads and writes training state; writes are atomic, reads are strict."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor


class TrainingState(TypedDict):
    """State from which a stage continues."""

    step: int
    model: dict[str, Tensor]
    extra: dict[str, Tensor]
    optimizer: dict[str, object]
    best: float


def save_state(path: Path, state: TrainingState) -> None:
    """Writes to a `.part` file and renames it, so that a kill leaves the old state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)


def load_state(path: Path) -> TrainingState | None:
    """Reads the state; None if the file does not exist.

    Raises:
        ValueError: if the file is damaged or has other content.
    """
    if not path.exists():
        return None
    try:
        # `weights_only`: a checkpoint cannot run code.
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"checkpoint {path} cannot be read ({error}); delete it to start again") from error
    missing = [k for k in ("step", "model", "extra", "optimizer", "best") if k not in found]
    if missing:
        raise ValueError(f"checkpoint {path} lacks {', '.join(missing)}; delete it to start again")
    return TrainingState(
        step=found["step"],
        model=found["model"],
        extra=found["extra"],
        optimizer=found["optimizer"],
        best=found["best"],
    )
