"""People made of numbers, and nets that see what is painted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cornerman_pose.detector import anchors
from cornerman_pose.landmarks import INDEX, LANDMARKS, Floats, LandmarkTrack, Person, SeenChunk
from cornerman_pose.nets import DETECTOR_SIDE, LANDMARK_SIDE, POINTS
from cornerman_pose.warp import Pixels

_HEIGHTS = {
    "nose": -0.62,
    "eye": -0.65,
    "ear": -0.63,
    "mouth": -0.58,
    "shoulder": -0.48,
    "elbow": -0.2,
    "wrist": 0.05,
    "pinky": 0.12,
    "index": 0.13,
    "thumb": 0.1,
    "hip": 0.0,
    "knee": 0.42,
    "ankle": 0.82,
    "heel": 0.87,
    "foot": 0.88,
}
_OUT = {"shoulder": 0.18, "elbow": 0.22, "wrist": 0.24, "hip": 0.1, "knee": 0.11, "ankle": 0.11}

SIZE = (224, 398)


def standing() -> Floats:
    """[33, 3] metres: a person who stands and looks at the camera."""
    points = np.zeros((LANDMARKS, 3), np.float32)
    for name, number in INDEX.items():
        part = next(part for part in _HEIGHTS if part in name)
        side = 1.0 if "left" in name else -1.0 if "right" in name else 0.0
        points[number] = (side * _OUT.get(part, 0.05), _HEIGHTS[part], 0.0)
    return points


def person(x: float = 199.0, y: float = 100.0, metre: float = 90.0, visible: float = 1.0) -> Person:
    """Somebody whose hips are at (x, y) pixels, with so many pixels a metre."""
    world = standing()
    image = world[:, :2] * metre + np.array([x, y], np.float32)
    return Person(image.astype(np.float32), world, np.full(LANDMARKS, visible, np.float32), 1.0)


def chunk(*rows: Sequence[Person | None], start_s: float = 0.0) -> SeenChunk:
    """Eight frames; a row of one person is repeated."""
    filled = [list(row) if len(row) == 8 else [row[0]] * 8 for row in rows]
    return SeenChunk.of_rows(filled, SIZE, [start_s + number / 8 for number in range(8)])


def track(samples: int, metre: float = 90.0) -> LandmarkTrack:
    """A person who stands still."""
    one = person(metre=metre)
    return LandmarkTrack(
        (np.arange(samples) / 8).astype(np.float32),
        np.repeat(one.image_px[None], samples, 0),
        np.repeat(one.world_m[None], samples, 0),
        np.repeat(one.visibility[None], samples, 0),
        np.ones(samples, np.float32),
        SIZE,
    )


class PaintedDetector:
    """Sees a person with hips at each pure green spot of the picture, head up.

    Args:
        least_px: spots lower than so many of the detector's pixels are not seen.
        sure_px: spots lower than so many are doubtful.
    """

    def __init__(self, least_px: int = 1, sure_px: int = 1) -> None:
        self.runs = 0
        self._least_px, self._sure_px = least_px, sure_px

    def __call__(self, picture: Pixels, /) -> tuple[Floats, Floats]:
        self.runs += 1
        boxes, logits = np.zeros((2254, 12), np.float32), np.full(2254, -50.0, np.float32)
        green = (picture[..., 1] > 150) & (picture[..., 0] < 80) & (picture[..., 2] < 80)
        for x in _groups(np.flatnonzero(green.any(axis=0))):
            rows = np.flatnonzero(green[:, int(x)])
            if len(rows) < self._least_px:
                continue
            spot = np.array([x, rows.mean()]) + 0.5
            best = int(np.argmin(np.abs(anchors() * DETECTOR_SIDE - spot).sum(axis=1)))
            offset = spot - anchors()[best] * DETECTOR_SIDE
            boxes[best, :4] = (*(offset - np.array([0, 15])), 12, 12)
            boxes[best, 4:6] = offset
            boxes[best, 6:8] = offset - np.array([0, 35])
            logits[best] = 4.0 if len(rows) >= self._sure_px else 1.0
        return boxes, logits


class PaintedLandmarks:
    """Finds a person round the green spot nearest to the middle of the square; nobody where there is no green."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, picture: Pixels, /) -> tuple[Floats, float, Floats, Floats]:
        self.runs += 1
        points, heat = np.zeros((POINTS, 5), np.float32), np.full((64, 64, POINTS), -50.0, np.float32)
        world = np.zeros((POINTS, 3), np.float32)
        green = (picture[..., 1] > 150) & (picture[..., 0] < 80) & (picture[..., 2] < 80)
        rows, columns = np.nonzero(green)
        if not len(rows):
            return points, 0.0, heat, world
        middle = (LANDMARK_SIDE - 1) / 2
        nearest = int(np.argmin(np.hypot(rows - middle, columns - middle)))
        near = np.hypot(rows - rows[nearest], columns - columns[nearest]) < 20
        spot = np.array([columns[near].mean(), rows[near].mean()]) + 0.5
        world[:LANDMARKS] = standing()
        points[:LANDMARKS, :2] = standing()[:, :2] * 80 + spot
        points[LANDMARKS, :2], points[LANDMARKS + 1, :2] = spot, spot - np.array([0, LANDMARK_SIDE / 2.5])
        points[:, 3:] = 5.0
        return points, 0.99, heat, world


def painted(*spots: tuple[float, float]) -> Pixels:
    """A grey picture [224, 398, 3] with green spots at (x, y)."""
    picture = np.full((*SIZE, 3), 128, np.uint8)
    for x, y in spots:
        picture[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5] = (0, 255, 0)
    return picture


def _groups(columns: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[float]:
    """Middles of runs of columns."""
    if not len(columns):
        return []
    cuts = np.flatnonzero(np.diff(columns) > 1) + 1
    return [float(run[len(run) // 2]) for run in np.split(columns, cuts)]
