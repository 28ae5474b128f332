"""What difference of poses counts: weights of the embedding. Pure."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.taught.names import NAMES

Array = NDArray[np.float64]

_TABLE: Final = json.loads((files("cornerman_pose") / "assets" / "own_exercises.json").read_text(encoding="utf-8"))
_ROWS: Final = np.array([_TABLE[name.removeprefix("left_").removeprefix("right_")] for name in NAMES], dtype=np.float64)

PLACE: Final = _ROWS[:, 0]
"""[D] how much a pose differs between people and cameras where an exercise is done alike."""

WAY: Final = _ROWS[:, 1]
"""[D] the same of the way from the pose between repetitions; `own_exercises.spreads` of training measures both."""


def learning_weights() -> Array:
    """[D] before anything is known of an exercise."""
    return 1.0 / (len(NAMES) * WAY**2)


def matching_weights(steps: Array, spread: Array) -> tuple[Array, Array]:
    """[D] weights of squared differences of poses from the first one, and of poses themselves.

    What moves in an exercise counts most, what is steady a little.
    """
    moved = steps - steps[0]
    noise = WAY**2 + spread**2
    signal = np.square(moved).mean(0) / noise
    share = signal / (1.0 + signal) + 0.1
    share /= share.sum()
    return share / noise, 0.1 * share / (PLACE**2 + spread**2)
