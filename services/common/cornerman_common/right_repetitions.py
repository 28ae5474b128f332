"""The right repetitions that an own exercise was learned from, beside its file, so that a mistake shown later is tried
on them, too. Its owner's alone: an exercise is shared without them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cornerman_common.saved_folder import write_bytes
from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.names import NAMES

Array = NDArray[np.float64]

MAX_BYTES: Final = 1_000_000
_MOST: Final = 40
_LONGEST: Final = 1000  # frames
_NEAR: Final = 0.02  # a file's numbers are rounded to half precision


def right_path(file: Path) -> Path:
    """Where they are, beside the exercise's file."""
    return file.with_suffix(".npz")


def write_right(file: Path, repetitions: Sequence[Array]) -> None:
    """Writes [T, D] embedded frames of each repetition beside the exercise's file.

    Raises:
        ConfigError: they cannot be written.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"r{i}": one.astype(np.float32) for i, one in enumerate(repetitions)}
    np.savez_compressed(buffer, **arrays)
    write_bytes(right_path(file), buffer.getvalue())


def read_right(file: Path, exercise: TaughtExercise) -> tuple[Array, ...]:
    """[T, D] embedded frames of each repetition; empty = they are missing, or another exercise's."""
    path = right_path(file)
    try:
        if path.stat().st_size > MAX_BYTES:
            return ()
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            found = tuple(stored[f"r{i}"].astype(np.float64) for i in range(min(len(stored.files), _MOST)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return ()  # the mistake is then tried on its own repetitions alone
    if len(found) != exercise.good.repetitions or not all(_usable(one) for one in found):
        return ()
    from cornerman_pose.taught.learning import prototype_of  # takes a while, and few teach

    learned = prototype_of(found).steps
    return found if np.allclose(learned, exercise.good.steps, rtol=2e-3, atol=_NEAR) else ()


def _usable(one: Array) -> bool:
    return one.ndim == 2 and one.shape[1] == len(NAMES) and 2 <= len(one) <= _LONGEST and bool(np.isfinite(one).all())
