"""Keeps left and right legs apart: seen from the side, the estimator exchanges them for single frames. Pure.

A frame's legs are exchanged when that brings them much nearer to where they just were, in metres and in the picture. On
233 clips of people this touches five, a lunge from the side most (12 % of its frames); on three drawn sessions none.
Which side is called left is kept, not found: where the first frame is wrong, all are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from cornerman_pose.landmarks import INDEX, MIRROR, PRESENT, Floats, LandmarkTrack

SidesState = dict[str, list[float]]

NEARER: Final = 0.6
"""Exchanged legs must be this much nearer to the frame before than those that were found."""

JUMP_M: Final = 0.08
"""Legs that moved less, on average, are left alone."""

MEMORY_S: Final = 1.0
"""Legs seen longer ago say nothing."""

_WORLD: Final = slice(0, 3)
_PICTURE: Final = slice(3, 5)
_PARTS: Final = ("hip", "knee", "ankle", "heel", "foot")
_LEGS: Final = [number for name, number in INDEX.items() if any(part in name for part in _PARTS)]
_OTHERS: Final = [MIRROR[number] for number in _LEGS]


def steady_legs(
    track: LandmarkTrack, state: Mapping[str, Sequence[float]] | None = None
) -> tuple[LandmarkTrack, SidesState]:
    """One person's landmarks with each leg on its own side throughout.

    Args:
        track: in order of time, as a chunk's row; may share frames with what was shown before.
        state: what the chunk before returned; None or {} at the beginning, and when another person is followed.

    Returns:
        The track, and the state for the next chunk: `t_s` and `legs` of the last frame with the person.
    """
    found = np.flatnonzero(track.presence >= PRESENT)
    before = dict(state or {})
    if not len(found):
        return track, {name: list(values) for name, values in before.items()}
    legs = np.concatenate([track.world_m[:, _LEGS], track.image_px[:, _LEGS]], axis=-1)  # [T, 10, 5]
    exchanged = np.zeros(len(track), bool)
    start = 0
    if before.keys() >= {"t_s", "legs"} and len(before["legs"]) == legs[0].size:
        start = int(np.argmin(np.abs(track.t_s[found] - before["t_s"][0])))
        if abs(float(track.t_s[found[start]]) - before["t_s"][0]) <= MEMORY_S:
            reference = np.asarray(before["legs"], np.float32).reshape(legs[0].shape)
            exchanged[found[start]] = _jumped(legs[found[start]], reference)
    for order in (found[start:], found[: start + 1][::-1]):
        for last, now in pairwise(order):
            if abs(float(track.t_s[now] - track.t_s[last])) <= MEMORY_S:
                exchanged[now] = _jumped(legs[now], _swapped(legs[last]) if exchanged[last] else legs[last])
    done = _exchange(track, exchanged)
    end = found[-1]
    last_legs = np.concatenate([done.world_m[end, _LEGS], done.image_px[end, _LEGS]], axis=-1)
    return done, {"t_s": [float(track.t_s[end])], "legs": [float(value) for value in last_legs.ravel()]}


def _swapped(legs: Floats) -> Floats:
    """[10, 5] with left and right exchanged."""
    return legs[[_LEGS.index(number) for number in _OTHERS]]


def _jumped(legs: Floats, before: Floats) -> bool:
    """Whether exchanged legs [10, 5] are much nearer to those before, in metres and in the picture alike."""
    as_found = [float(np.linalg.norm((legs - before)[:, part], axis=1).mean()) for part in (_WORLD, _PICTURE)]
    swapped = [float(np.linalg.norm((_swapped(legs) - before)[:, part], axis=1).mean()) for part in (_WORLD, _PICTURE)]
    return as_found[0] > JUMP_M and swapped[0] < NEARER * as_found[0] and swapped[1] < NEARER * as_found[1]


def _exchange(track: LandmarkTrack, frames: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> LandmarkTrack:
    if not frames.any():
        return track
    image, world, visibility = track.image_px.copy(), track.world_m.copy(), track.visibility.copy()
    for frame in np.flatnonzero(frames):
        for array in (image, world, visibility):
            array[frame, _LEGS] = array[frame, _OTHERS]
    return replace(track, image_px=image, world_m=world, visibility=visibility)
