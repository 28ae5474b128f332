"""Cuts a turned square out of a picture, with numpy alone and the same bits every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_BITS: Final = 4
_ONE: Final = 1 << _BITS  # the four weights of a pixel then sum to 256, and a sum of bytes fits 16 bits
_LOW: Final = np.uint32(0x00FF00FF)


@dataclass(frozen=True, slots=True)
class Roi:
    """Region of interest: a turned square in a picture.

    Attributes:
        x: of its centre, pixels; pixel centres lie at whole numbers.
        y: of its centre, pixels.
        side: pixels.
        angle: radians, clockwise on the screen.
    """

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self, points: NDArray[np.floating], size: int) -> NDArray[np.float64]:
        """Points of the square seen as `size` x `size` pixels -> points of the picture, both [N, 2]."""
        scale, cos, sin = self.side / size, np.cos(self.angle), np.sin(self.angle)
        across, down = (points[:, i].astype(np.float64) - (size - 1) / 2 for i in (0, 1))
        return np.stack(
            [self.x + scale * (cos * across - sin * down), self.y + scale * (sin * across + cos * down)], axis=1
        )


def whole(height: int, width: int) -> Roi:
    """The smallest upright square round a picture, centred on it."""
    return Roi((width - 1) / 2, (height - 1) / 2, float(max(height, width)), 0.0)


def crop(picture: Pixels, roi: Roi, size: int) -> Pixels:
    """The square as `size` x `size` pixels, linearly interpolated; black where the picture ends.

    All arithmetic on pixels is in integers (places in sixteenths of a pixel), so the result has the same bits
    everywhere.

    Args:
        picture: [H, W, 3].
        roi: may reach beyond the picture.
        size: pixels.

    Returns:
        [size, size, 3].
    """
    height, width = picture.shape[:2]
    # One pixel a 32-bit word, in a black frame: a neighbour costs one look-up, and none lies outside.
    words = np.zeros((height + 3, width + 3, 4), np.uint8)
    words[1:-2, 1:-2, :3] = picture
    flat = words.reshape(-1, 4).view(np.uint32)[:, 0]
    scale, cos, sin = roi.side / size, np.cos(roi.angle), np.sin(roi.angle)
    steps = (np.arange(size) - (size - 1) / 2) * scale
    x = _fixed(roi.x + 1 + cos * steps[None, :] - sin * steps[:, None], width)
    y = _fixed(roi.y + 1 + sin * steps[None, :] + cos * steps[:, None], height)
    at = (y >> _BITS) * (width + 3) + (x >> _BITS)
    across, down = (x & _ONE - 1).astype(np.uint32), (y & _ONE - 1).astype(np.uint32)
    even = np.zeros(size * size, np.uint32)  # red and blue, 16 bits each
    odd = np.zeros(size * size, np.uint32)  # green
    corners = (
        (0, (_ONE - across) * (_ONE - down)),
        (1, across * (_ONE - down)),
        (width + 3, (_ONE - across) * down),
        (width + 4, across * down),
    )
    for offset, weight in corners:
        found = flat[at + offset]
        even += (found & _LOW) * weight
        odd += ((found >> 8) & _LOW) * weight
    done = ((even >> 8) & _LOW) | (odd & ~_LOW)
    return np.ascontiguousarray(done.view(np.uint8).reshape(size, size, 4)[..., :3])


def _fixed(places: NDArray[np.float64], length: int) -> NDArray[np.int32]:
    """Places in the framed picture in sixteenths of a pixel; those outside are moved into the frame."""
    return np.clip(np.rint(places * _ONE), 0, (length + 1) * _ONE).astype(np.int32).ravel()
