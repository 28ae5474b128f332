"""What difference of poses counts: weights of the embedding. Pure."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.taught.exercise import Prototype
from cornerman_pose.taught.names import NAMES

Array = NDArray[np.float64]

_TABLE: Final = json.loads((files("cornerman_pose") / "assets" / "own_exercises.json").read_text(encoding="utf-8"))
_ROWS: Final = np.array([_TABLE[name.removeprefix("left_").removeprefix("right_")] for name in NAMES], dtype=np.float64)

PLACE: Final = _ROWS[:, 0]
"""[D] how much a pose differs between cameras where a person does an exercise alike."""

WAY: Final = _ROWS[:, 1]
"""[D] the same of the way from the pose between repetitions; `own_exercises.spreads` of training measures both."""

_AXIS_PARTS: Final = {"x": 0.4, "y": 0.2, "z": 0.6}
_SIDEWAYS_PARTS: Final = {
    "hip_offset": 0.4, "neck": 0.6, "lean": 0.5, "knee_gap": 0.7, "feet_gap": 0.35, "past_toes": 0.7, "roll": 0.8,
}  # fmt: skip
_OTHER_PART: Final = 0.2

PART: Final = np.array(
    [_AXIS_PARTS.get(name.rpartition(".")[2], _SIDEWAYS_PARTS.get(name, _OTHER_PART)) for name in NAMES]
)
"""[D] how much the way of a number that moves differs, as a part of its movement: sideways and depth most.

Chosen by kind of number, on the bundled exercises: another camera shortens what goes aside or in depth.
"""

_STEADY: Final = 0.1


def learning_weights() -> Array:
    """[D] before anything is known of an exercise."""
    return 1.0 / (len(NAMES) * WAY**2)


def way_weights(good: Prototype) -> Array:
    """[D] weights of squared differences of ways, given right repetitions.

    What moves counts most, what is steady a little; the noise of a number is part of its own movement too.
    """
    movement = np.square(good.steps - good.steps[[0, -1]].mean(0)).mean(0)
    noise = WAY**2 + good.spread**2 + PART**2 * movement
    signal = movement / noise
    share = signal / (1.0 + signal) + _STEADY
    weights: Array = share / share.sum() / noise
    return weights
