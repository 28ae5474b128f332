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

_KERNEL: Final = 7
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
    cells = np.trunc(points / pixel).astype(np.int64)
    reach = _KERNEL // 2
    moved = points.copy()
    for number, (column, row) in enumerate(cells):
        if not (0 <= column < side and 0 <= row < side):
            continue
        top, left = max(0, row - reach), max(0, column - reach)
        mass = sigmoid(heat[top : row + reach + 1, left : column + reach + 1, number]).astype(np.float64)
        if mass.max() < _MIN_PEAK:
            continue
        rows, columns = np.arange(mass.shape[0]) + top, np.arange(mass.shape[1]) + left
        moved[number] = (mass.sum(0) @ columns * pixel / mass.sum(), mass.sum(1) @ rows * pixel / mass.sum())
    return moved


def turned(world: Floats, angle: float) -> Floats:
    """[N, 3] metres in the square's axes -> in the picture's axes; depth stays."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = world[:, 0] * cos - world[:, 1] * sin, world[:, 0] * sin + world[:, 1] * cos
    return np.stack([x, y, world[:, 2]], axis=1).astype(np.float32)


def sigmoid(logits: Floats) -> Floats:
    """0..1, without overflow."""
    return (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
