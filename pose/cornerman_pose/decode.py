"""From the landmark net's tensors to a person in the picture and in metres.

Steps and constants are those of MediaPipe's graph `modules/pose_landmark` (Apache-2.0): refinement by heat maps of
7 x 7 cells, and a next square from the two points that frame the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.detector import body_square
from cornerman_pose.landmarks import LANDMARKS, Floats, Person
from cornerman_pose.nets import LANDMARK_SIDE, LandmarkNet
from cornerman_pose.warp import Pixels, Roi, crop

_REACH: Final = 3
_WINDOW: Final = np.arange(-_REACH, _REACH + 1)
"""Cells of a heat map, from a landmark's, that refine its place."""

_MIN_PEAK: Final = 0.5
"""A heat map whose largest value is lower says nothing about its landmark."""

_HIPS, _RIM = LANDMARKS, LANDMARKS + 1


@dataclass(frozen=True, slots=True)
class Found:
    """A person, and the square in which to look in the next frame."""

    person: Person
    next_roi: Roi


def find(net: LandmarkNet, frame: Pixels, roi: Roi) -> Found:
    """The person in a square of a frame; look at `person.presence` before use.

    Args:
        net: the landmark net.
        frame: [H, W, 3] RGB.
        roi: round the whole body, head up.
    """
    points, presence, heat, world = net(crop(frame, roi, LANDMARK_SIDE))
    flat = refined(points[:, :2].astype(np.float64), heat)
    places = roi.to_picture(flat - 0.5, LANDMARK_SIDE)  # [39, 2]
    person = Person(
        image_px=places[:LANDMARKS].astype(np.float32),
        world_m=turned(world[:LANDMARKS], roi.angle),
        visibility=sigmoid(points[:LANDMARKS, 3]),
        presence=float(np.clip(presence, 0.0, 1.0)),
    )
    return Found(person, body_square(places[_HIPS], places[_RIM]))


def refined(points: NDArray[np.float64], heat: Floats) -> NDArray[np.float64]:
    """Each point moved to the middle of its heat map's mass round it, where the map has a clear peak there.

    Args:
        points: [N, 2] pixels of the square.
        heat: [S, S, N] logits.
    """
    side = heat.shape[0]
    pixel = LANDMARK_SIDE / side
    columns, rows = (np.trunc(points / pixel).astype(np.int64)[:, axis, None] + _WINDOW for axis in (0, 1))  # [N, K]
    column_in, row_in = (columns >= 0) & (columns < side), (rows >= 0) & (rows < side)
    at = (np.clip(rows, 0, side - 1)[:, :, None], np.clip(columns, 0, side - 1)[:, None, :])
    mass = sigmoid(heat[(*at, np.arange(len(points))[:, None, None])]).astype(np.float64)  # [N, K, K]
    mass *= row_in[:, :, None] & column_in[:, None, :]
    clear = (mass.max(axis=(1, 2), initial=0.0) >= _MIN_PEAK) & row_in[:, _REACH] & column_in[:, _REACH]
    total = np.where(clear, mass.sum(axis=(1, 2)), 1.0)
    middle = [(mass.sum(1) * columns).sum(1) * pixel / total, (mass.sum(2) * rows).sum(1) * pixel / total]
    return np.where(clear[:, None], np.stack(middle, axis=1), points)


def turned(world: Floats, angle: float) -> Floats:
    """[N, 3] metres in the square's axes -> in the picture's axes; depth stays."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = world[:, 0] * cos - world[:, 1] * sin, world[:, 0] * sin + world[:, 1] * cos
    return np.stack([x, y, world[:, 2]], axis=1).astype(np.float32)


def sigmoid(logits: Floats) -> Floats:
    """0..1, without overflow."""
    return (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
