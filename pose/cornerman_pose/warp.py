"""Cuts a turned square out of a picture, with numpy alone and the same bits every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_BITS: Final = 4
_ONE: Final = 1 << _BITS  # the four weights of a pixel then sum to 256, and a sum of bytes fits 16 bits
_FINE_BITS: Final = 12
_FINE: Final = 1 << _FINE_BITS
_LOW: Final = np.uint32(0x00FF00FF)
_BAND: Final = 32
"""Rows that are cut at a time: arrays of a whole picture would be new pages from the system each time, and cold."""


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

    All arithmetic on pixels is in integers (places in sixteenths of a pixel), so the result has the same bits.

    Args:
        picture: [H, W, 3].
        roi: may reach beyond the picture.
        size: pixels.

    Returns:
        [size, size, 3].
    """
    height, width = picture.shape[:2]
    scale, cos, sin = roi.side / size, np.cos(roi.angle), np.sin(roi.angle)
    steps = (np.arange(size) - (size - 1) / 2) * scale
    x_column, x_row = _fine(roi.x + 1 + cos * steps), _fine(-sin * steps)
    y_column, y_row = _fine(roi.y + 1 + sin * steps), _fine(cos * steps)
    across, down = _reach(x_column, x_row, width), _reach(y_column, y_row, height)
    words = _framed(picture, down, across)
    flat = words.reshape(-1, 4).view(np.uint32)[:, 0]
    done = np.empty((size, size, 4), np.uint8)
    for begin in range(0, size, _BAND):
        band = slice(begin, begin + _BAND)
        x, y = _places(x_column, x_row[band], width), _places(y_column, y_row[band], height)
        x -= across.start << _BITS
        y -= down.start << _BITS
        _mixed(flat, x, y, words.shape[1], done[band].reshape(-1, 4).view(np.uint32)[:, 0])
    cut = np.empty((size, size, 3), np.uint8)
    _copy_colours(done, cut)
    return cut


def _framed(picture: Pixels, down: range, across: range) -> Pixels:
    """A part of the picture in a black frame, [len(down), len(across), 4]; pixel 0 of the picture is number 1.

    One pixel a 32-bit word: a neighbour costs one look-up, and none lies outside.
    """
    height, width = picture.shape[:2]
    rows, columns = (range(max(r.start, 1), min(r.stop, n + 1)) for r, n in ((down, height), (across, width)))
    words = np.zeros((len(down), len(across), 4), np.uint8)
    if rows and columns:
        seen = picture[rows.start - 1 : rows.stop - 1, columns.start - 1 : columns.stop - 1]
        top, left = rows.start - down.start, columns.start - across.start
        _copy_colours(seen, words[top : top + len(rows), left : left + len(columns)])
    return words


def _copy_colours(source: Pixels, target: Pixels) -> None:
    # One colour at a time takes a quarter of the time: numpy's inner loop is then a row, not three bytes.
    for colour in range(3):
        target[..., colour] = source[..., colour]


def _mixed(
    flat: NDArray[np.uint32], x: NDArray[np.int32], y: NDArray[np.int32], stride: int, done: NDArray[np.uint32]
) -> None:
    """Writes the weighted mean of four neighbours at each place. Changes `x` and `y`."""
    at = ((y >> _BITS) * stride + (x >> _BITS)).astype(np.intp)
    x &= _ONE - 1
    y &= _ONE - 1
    across, down = x.view(np.uint32), y.view(np.uint32)
    both = across * down
    right, below = (across << _BITS) - both, (down << _BITS) - both
    corners = (
        (0, np.uint32(_ONE * _ONE) - right - below - both),
        (1, right),
        (stride, below),
        (stride + 1, both),
    )
    even = np.zeros(len(at), np.uint32)  # red and blue, 16 bits each
    odd = np.zeros(len(at), np.uint32)  # green
    for offset, weight in corners:
        found = np.take(flat, at + offset, mode="clip")
        green = (found >> 8) & _LOW
        found &= _LOW
        found *= weight
        green *= weight
        even += found
        odd += green
    even >>= 8
    even &= _LOW
    odd &= ~_LOW
    np.bitwise_or(even, odd, out=done)


def _fine(places: NDArray[np.float64]) -> NDArray[np.int32]:
    """In parts of a pixel; the sum of two fits 32 bits."""
    far = 2.0**29
    return np.rint(np.clip(places * _FINE, -far, far)).astype(np.int32)


def _reach(columns: NDArray[np.int32], rows: NDArray[np.int32], length: int) -> range:
    """The pixels of the frame that `_places` points at, with their neighbours."""
    ends = np.array([columns.min(), columns.max()]), np.array([rows.min(), rows.max()])
    places = _places(*ends, length)
    return range(int(places[0] >> _BITS), int(places[-1] >> _BITS) + 2)


def _places(columns: NDArray[np.int32], rows: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """Sums of a number a column and a number a row, in sixteenths of a pixel; those outside move into the frame."""
    places = columns[None, :] + rows[:, None]
    places += _FINE // _ONE // 2
    places >>= _FINE_BITS - _BITS
    np.maximum(places, 0, out=places)
    np.minimum(places, (length + 1) * _ONE, out=places)
    return places.ravel()
