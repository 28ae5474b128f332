"""Measures that the table of mistakes takes of signs, where the net was not taught a mistake or a view of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import CHANNELS, SIGNS

if TYPE_CHECKING:
    from cornerman_pose.movements import FormRule
    from cornerman_pose.reading import FrameReading

Array = NDArray[np.float64]

_SEEN: Final = 0.5
"""A wrist that is less visible is guessed."""

_FRONT: Final = 0.42
"""Bodies turned less show their front."""

_WIDTH: Final = 0.05
"""Values within this share of a limit are doubtful."""

_POSSIBLE: Final = -4.6
"""Log odds below which the net rules a mistake out."""

_LEAN: Final = list(CHANNELS).index("lean")


def _sign(reading: FrameReading, name: str) -> Array:
    out: Array = reading.signs[:, SIGNS.index(name)].astype(float)
    return out


def _calm(x: Array) -> Array:
    """Mean of each value and its neighbours."""
    padded = np.concatenate([x[:1], x, x[-1:]])
    out: Array = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return out


def _hands_apart(reading: FrameReading, _turned: float) -> float | None:
    if np.median(_sign(reading, "hands_seen")) < _SEEN:
        return None
    low, high = np.percentile(_calm(_sign(reading, "hands")), (5, 95))
    return float(high - low)


def _lean_from_the_front(reading: FrameReading, turned: float) -> float | None:
    """The lesser of two leans: as depth has it, and as the trunk gets shorter in the picture."""
    if turned >= _FRONT:
        return None
    trunk = _calm(_sign(reading, "trunk"))
    upright = max(float(np.percentile(trunk, 90)), 1e-6)
    shortened = float(np.degrees(np.arccos(np.clip(np.percentile(trunk, 4) / upright, 0.0, 1.0))))
    by_depth = (reading.measure[:, _LEAN].astype(float) + reading.shown[:, _LEAN]) / 2
    return min(float(by_depth.max()), shortened)


SIGN_MEASURES: Final[Mapping[str, Callable[[FrameReading, float], float | None]]] = {
    "one hand thrown up over the other in the picture, over the trunk's length": _hands_apart,
    "lean of the trunk from the front, by depth and by how short it gets": _lean_from_the_front,
}
"""By name in the table: of the readings of a repetition and how far the body is turned (0 front, 1 side); None where
that cannot be seen."""


def by_sign(rule: FormRule, moved: FrameReading, turned: float, logit: float) -> float:
    """How probable it is that a repetition breaks a rule by its sign; 0 without one, or where it cannot be seen.

    Args:
        rule: of the table.
        moved: readings of the repetition.
        turned: 0 front view, 1 side view.
        logit: log odds of the net, which may rule a mistake out.
    """
    if not rule.sign or logit < _POSSIBLE or len(moved.phase) < 3:
        return 0.0
    value = SIGN_MEASURES[rule.sign](moved, turned)
    if value is None:
        return 0.0
    past = (value - rule.sign_limit) / (_WIDTH * rule.sign_limit)
    return 1.0 / (1.0 + float(np.exp(-np.clip(past, -30, 30))))
