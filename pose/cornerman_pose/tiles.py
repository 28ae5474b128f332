"""Looks for people in overlapping squares of a frame, where the whole frame squeezed into one would hide them.

The detector reads 224 x 224 pixels: a far person is too few of them, and so is everyone in a very wide picture. Many
looks make more mistakes than one, so a doubtful find is looked at twice more, from nearer: a person gets clearer, a
chair does not. What is found depends on the frame alone.
"""

from __future__ import annotations

import math
from typing import Final

from cornerman_pose.detector import Detection, detect
from cornerman_pose.landmarks import MAX_PEOPLE
from cornerman_pose.nets import DetectorNet
from cornerman_pose.warp import Pixels, Roi

WIDE: Final = 2.0
"""Longer side over the shorter one from which the whole frame, squeezed, is too small for everyone in it."""

TILE: Final = 0.75
"""Side of a tile over the shorter side of the picture; a wide picture is cut into squares of its shorter side."""

STEP: Final = 0.7
WIDE_STEP: Final = 0.5
"""From tile to tile, in sides, at most: so much narrower a person is whole in one of them."""

MOST_TILES: Final = 8
"""Looks at one frame, at most; nearer looks at up to three finds come on top, two each."""

DOUBTFUL: Final = 0.35
SURE: Final = 0.85
"""A find of less than `DOUBTFUL`, 0..1, is none; one of less than `SURE` is looked at from nearer."""

CLEAR: Final = 0.78
"""Mean score of the nearer looks at a person. 15 of 18 frames with people 45 pixels high pass; in 80 frames of 40 drawn
rooms and moving pictures without people nothing does."""

_NEARER: Final = (1.3, 1.8)
"""Sides of the nearer looks, over that of the find."""

_FAINT: Final = 0.05
_SAME_PLACE: Final = 0.35
"""Bodies whose middles are closer than this part of the larger square are one, seen in two tiles."""


def is_wide(height: int, width: int) -> bool:
    """Whether a picture is looked at in tiles even if the whole of it shows people."""
    return max(height, width) > WIDE * min(height, width)


def tiles(height: int, width: int) -> tuple[Roi, ...]:
    """Overlapping upright squares that cover a picture, at most `MOST_TILES`, row by row."""
    shorter = min(height, width)
    side, step = (float(shorter), WIDE_STEP) if is_wide(height, width) else (TILE * shorter, STEP)
    while (many := _along(height, side, step) * _along(width, side, step)) > MOST_TILES:
        side *= many / MOST_TILES
    rows, columns = _starts(height, side, step), _starts(width, side, step)
    return tuple(Roi(left + (side - 1) / 2, top + (side - 1) / 2, side, 0.0) for top in rows for left in columns)


def detect_in_tiles(net: DetectorNet, frame: Pixels, most: int = MAX_PEOPLE) -> list[Detection]:
    """People in the tiles of a frame, the surest first; one seen in two tiles counts once.

    Args:
        net: the detector.
        frame: [H, W, 3] RGB.
        most: at most so many.
    """
    found = [one for square in tiles(*frame.shape[:2]) for one in detect(net, frame, most, DOUBTFUL, square)]
    clear = [_cleared(net, frame, one) for one in apart_from(found, [])[:most]]
    return apart_from([one for one in clear if one is not None], [])


def apart_from(found: list[Detection], known: list[Detection]) -> list[Detection]:
    """Those found who are neither known nor found twice, the surest first."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda detection: -detection.score):
        if not any(_same(one, other) for other in (*known, *kept)):
            kept.append(one)
    return kept


def _cleared(net: DetectorNet, frame: Pixels, one: Detection) -> Detection | None:
    """The find as the best of the nearer looks places it; None if they do not show a person."""
    if one.score >= SURE:
        return one
    seen: list[Detection] = []
    for size in _NEARER:
        square = Roi(one.roi.x, one.roi.y, size * one.roi.side, 0.0)
        seen += [near for near in detect(net, frame, 1, _FAINT, square) if _same(one, near)]
    if sum(near.score for near in seen) < CLEAR * len(_NEARER):
        return None
    return max(seen, key=lambda near: near.score)


def _same(one: Detection, other: Detection) -> bool:
    here, there = one.roi, other.roi
    return math.hypot(here.x - there.x, here.y - there.y) < _SAME_PLACE * max(here.side, there.side)


def _along(length: int, side: float, step: float) -> int:
    return 1 + max(0, math.ceil((length - side) / (step * side) - 1e-9))


def _starts(length: int, side: float, step: float) -> list[float]:
    """Where tiles begin: even steps from edge to edge; one in the middle where the side is longer than the picture."""
    many = _along(length, side, step)
    if many == 1:
        return [(length - side) / 2]
    return [number * (length - side) / (many - 1) for number in range(many)]
