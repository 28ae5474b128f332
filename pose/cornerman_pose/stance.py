"""What hands and feet say about the exercise, where knees and trunk do not tell a squat from its neighbours. Pure.

A deadlift done with the knees looks like a squat to the net, and so does a lunge that goes deep or sways: hands that
reach down between the feet, and feet one before the other, tell them apart. Of a drawn figure, where the estimator errs
in depth, the net knows better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS, FPS, SIGNS
from cornerman_pose.movements import exercise_names
from cornerman_pose.reading import FrameReading

Floats = NDArray[np.float32]

FRAMES: Final = int(2 * FPS)
"""So many frames tell; half of them at least."""

_HANG: Final = 25.0
"""Arms further from hanging, in degrees, in more than a fifth of the frames hold nothing that comes from the floor."""

_REACH: Final = -0.12
"""The hands come at least so near to the height of the knees, in lengths of the trunk: hanging hands of a lunge stay
higher, those of a squat are before the chest or at the shoulders."""

_SPLIT: Final = 0.6
"""Feet further apart, one before the other, are a lunge's."""

_BEFORE: Final = 0.75
"""Feet further apart, one before the other, rule out a squat."""

_MOVES: Final = 0.9
"""Share of a probability that such a sign moves."""

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


def feet_are_split(signs: Floats, knee: Floats) -> bool:
    """Whether one foot is before the other where the knees are bent most; the same arguments."""
    if len(signs) < FRAMES // 2:
        return False
    return bool(np.median(signs[knee <= np.percentile(knee, 30), _SPLITTING]) > _BEFORE)


def as_they_stand(row: FrameReading, before: Sequence[FrameReading]) -> Floats:
    """[1, E] the exercise of one frame: of a lift, a squat's and a lunge's share goes to the deadlift; with one foot
    before the other, a squat's to the lunge.

    Args:
        row: the frame.
        before: the frames before it, each on its own; the newest last.
    """
    recent = [*before[-FRAMES + 1 :], row]
    signs, knee = (np.concatenate(part) for part in ([r.signs for r in recent], [r.shown[:, _KNEE] for r in recent]))
    if lifts_from_floor(signs, knee):
        return _moved(row, ("squat", "lunge"), "deadlift")
    return _moved(row, ("squat",), "lunge") if feet_are_split(signs, knee) else row.exercise


def _moved(row: FrameReading, sources: tuple[str, ...], target: str) -> Floats:
    names = exercise_names()
    from_where = [names.index(name) for name in sources]
    out, share = row.exercise.copy(), _MOVES * (1.0 - row.drawn)
    out[:, names.index(target)] += share * out[:, from_where].sum(1)
    out[:, from_where] *= 1.0 - share[:, None]
    return out
