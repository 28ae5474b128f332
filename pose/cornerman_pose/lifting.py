"""Whether somebody picks a weight up from the floor, with knees bent as far as a squat's or a lunge's. Pure.

A deadlift done with the knees looks like a squat to the net: what tells them apart is where the hands are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS, FPS
from cornerman_pose.movements import exercise_names
from cornerman_pose.reading import FrameReading
from cornerman_pose.signs import SIGNS

Floats = NDArray[np.float32]

FRAMES: Final = int(2 * FPS)
"""So many frames tell whether a weight is lifted; half of them at least."""

_HANG: Final = 25.0
"""Arms further from hanging, in degrees, in more than a fifth of the frames hold nothing that comes from the floor."""

_REACH: Final = -0.12
"""The hands come at least so near to the height of the knees, in lengths of the trunk: hanging hands of a lunge stay
higher, those of a squat are before the chest or at the shoulders."""

_SPLIT: Final = 0.6
"""Feet further apart, one before the other, are a lunge's."""

_MOVES: Final = 0.9
"""Share of a squat's and a lunge's probability that such a lift takes."""

_HANGING, _REACHING, _SPLITTING = (SIGNS.index(name) for name in ("hang", "reach", "split"))
_KNEE: Final = list(CHANNELS).index("knee")


def lifts_from_floor(signs: Floats, knee: Floats) -> bool:
    """Whether the last seconds show hanging arms that reach down between feet side by side.

    Args:
        signs: [T, len(SIGNS)].
        knee: [T] degrees, 180 is straight.
    """
    if len(signs) < FRAMES // 2:
        return False
    low = knee <= np.percentile(knee, 30)
    return bool(
        np.percentile(signs[:, _HANGING], 80) < _HANG
        and signs[:, _REACHING].max() > _REACH
        and np.median(signs[low, _SPLITTING]) < _SPLIT
    )


def as_lifted(row: FrameReading, before: Sequence[FrameReading]) -> Floats:
    """[1, E] the exercise of one frame, where what a squat and a lunge share with a deadlift goes to the deadlift.

    Args:
        row: the frame.
        before: the frames before it, each on its own; the newest last.
    """
    recent = [*before[-FRAMES + 1 :], row]
    signs, knee = (np.concatenate(part) for part in ([r.signs for r in recent], [r.shown[:, _KNEE] for r in recent]))
    if not lifts_from_floor(signs, knee):
        return row.exercise
    names = exercise_names()
    squat, lunge, deadlift = (names.index(name) for name in ("squat", "lunge", "deadlift"))
    out = row.exercise.copy()
    moved = _MOVES * (out[:, squat] + out[:, lunge])
    out[:, [squat, lunge]] *= 1.0 - _MOVES
    out[:, deadlift] += moved
    return out
