"""Training state on disk: written whole or not at all, read back strictly."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor


class TrainingState(TypedDict):
    """What a stage needs to continue."""

    step: int
    model: dict[str, Tensor]
    extra: dict[str, Tensor]
    optimizer: dict[str, object]
    best: float


def save_state(path: Path, state: TrainingState) -> None:
    """Write through a neighbour file, so that a kill leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)


def load_state(path: Path) -> TrainingState | None:
    """The state, or None when there is no file yet.

    Raises:
        ValueError: when the file is damaged or of another kind.
    """
    if not path.exists():
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"checkpoint {path} cannot be read ({error}); delete it to start afresh") from error
    missing = [k for k in ("step", "model", "extra", "optimizer", "best") if k not in found]
    if missing:
        raise ValueError(f"checkpoint {path} lacks {', '.join(missing)}; delete it to start afresh")
    return TrainingState(
        step=found["step"],
        model=found["model"],
        extra=found["extra"],
        optimizer=found["optimizer"],
        best=found["best"],
    )
