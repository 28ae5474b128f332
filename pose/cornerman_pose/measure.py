"""Where a person is and how large, whatever their pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import INDEX, SeenChunk

_TRUNK = [INDEX[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]


@dataclass(frozen=True, slots=True)
class Spot:
    """A person in one frame.

    Attributes:
        x: middle of the trunk, 0 = left edge of the picture, 1 = right edge.
        y: the same, 0 = top, 1 = bottom.
        size: of a metre at the person, in shorter sides of the picture; the same standing, bent and lying.
    """

    x: float
    y: float
    size: float


def spot(seen: SeenChunk, row: int, frame: int) -> Spot:
    """Where the person in `row` is in a frame in which they were found."""
    height, width = seen.size_px
    middle = seen.image_px[row, frame, _TRUNK].mean(axis=0)
    metre = float(pixels_a_metre(seen.image_px[row, frame, None], seen.world_m[row, frame, None])[0])
    return Spot(float(middle[0]) / width, float(middle[1]) / height, metre / min(height, width))


def pixels_a_metre(image_px: NDArray[np.float32], world_m: NDArray[np.float32]) -> NDArray[np.float64]:
    """[T] scale that maps the landmarks in metres [T, 33, 3], seen from the camera, onto those in pixels [T, 33, 2].

    The ratio of their root mean square distances from their means: no single limb decides.
    """
    seen = image_px.astype(np.float64)
    flat = world_m[..., :2].astype(np.float64)
    spread = np.square(seen - seen.mean(axis=1, keepdims=True)).sum(axis=(1, 2))
    metres = np.square(flat - flat.mean(axis=1, keepdims=True)).sum(axis=(1, 2))
    scale: NDArray[np.float64] = np.sqrt(spread / np.maximum(metres, 1e-6))
    return scale
