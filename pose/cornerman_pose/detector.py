"""Finds people in a frame: anchors, decoding and non-maximum suppression of BlazePose's detector.

Constants are those of MediaPipe's graph `modules/pose_detection/pose_detection_cpu.pbtxt` (Apache-2.0), whose
weights this decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import MAX_PEOPLE
from cornerman_pose.nets import DETECTOR_SIDE, DetectorNet
from cornerman_pose.warp import Pixels, Roi, crop, whole

ENLARGED: Final = 1.25
"""A person's square is this much larger than the circle round the body."""

MIN_SCORE: Final = 0.5
MAX_OVERLAP: Final = 0.3
"""Boxes that overlap more (intersection over union) are of one person."""

_GRIDS: Final = ((28, 2), (14, 2), (7, 6))  # cells a side, anchors a cell: strides 8, 16 and three times 32
_MAX_LOGIT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Detection:
    """A person in a frame.

    Attributes:
        score: 0..1.
        hips_px: [2] middle of the hips.
        rim_px: [2] a point on the circle round the whole body, in the direction of the head.
    """

    score: float
    hips_px: NDArray[np.float64]
    rim_px: NDArray[np.float64]

    @property
    def roi(self) -> Roi:
        """The square round the body, turned so that the head is up."""
        return body_square(self.hips_px, self.rim_px)


def body_square(hips: NDArray[np.float64], rim: NDArray[np.float64]) -> Roi:
    """The square round the circle about `hips` through `rim`, turned so that `rim` is straight above."""
    across, down = (float(value) for value in rim - hips)
    radius = float(np.hypot(across, down))
    return Roi(float(hips[0]), float(hips[1]), 2 * radius * ENLARGED, float(np.arctan2(across, -down)))


@cache
def anchors() -> NDArray[np.float64]:
    """[2254, 2] centres of the anchors, 0..1, in the order of the net's outputs."""
    layers = []
    for cells, each in _GRIDS:
        middles = (np.arange(cells) + 0.5) / cells
        down, across = np.meshgrid(middles, middles, indexing="ij")
        layers.append(np.repeat(np.stack([across.ravel(), down.ravel()], axis=1), each, axis=0))
    found = np.concatenate(layers)
    found.flags.writeable = False
    return found


def detect(
    net: DetectorNet,
    frame: Pixels,
    most: int = MAX_PEOPLE,
    min_score: float = MIN_SCORE,
    square: Roi | None = None,
) -> list[Detection]:
    """People in a frame, the surest first.

    Args:
        net: the detector.
        frame: [H, W, 3] RGB.
        most: at most so many.
        min_score: of a detection, 0..1.
        square: the part to look at; None = all of it.
    """
    square = square or whole(*frame.shape[:2])
    raw, logits = net(crop(frame, square, DETECTOR_SIDE))
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_MAX_LOGIT, _MAX_LOGIT)))
    sure = np.flatnonzero(scores >= min_score)
    values = raw[sure].astype(np.float64) / DETECTOR_SIDE  # [N, 12]
    values[:, 0:2] += anchors()[sure]
    values[:, 4:] += np.tile(anchors()[sure], 4)
    half = np.abs(values[:, 2:4]) / 2
    boxes = np.concatenate([values[:, :2] - half, values[:, :2] + half], axis=1)
    found = []
    for score, points in merged(boxes, values[:, 4:], scores[sure])[:most]:
        places = square.to_picture(points.reshape(4, 2) * DETECTOR_SIDE - 0.5, DETECTOR_SIDE)
        found.append(Detection(score, places[0], places[1]))
    return found


def merged(
    boxes: NDArray[np.float64], points: NDArray[np.float64], scores: NDArray[np.float64]
) -> list[tuple[float, NDArray[np.float64]]]:
    """Non-maximum suppression, weighted: boxes of one person become one, its points their mean by score.

    Args:
        boxes: [N, 4] left, top, right, bottom.
        points: [N, K].
        scores: [N] 0..1.

    Returns:
        (highest score, points [K]) a person, the surest first.
    """
    left = np.argsort(-scores, kind="stable")
    found = []
    while len(left):
        best = left[0]
        same = overlaps(boxes[best], boxes[left]) > MAX_OVERLAP
        same[0] = True
        weights = scores[left[same]]
        found.append((float(scores[best]), (points[left[same]] * weights[:, None]).sum(axis=0) / weights.sum()))
        left = left[~same]
    return found


def overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N] intersection over union of a box [4] and others [N, 4]."""
    shared = np.prod(np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None), axis=1)
    areas = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    area = np.prod(np.clip(box[2:] - box[:2], 0, None))
    union = areas + area - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)
