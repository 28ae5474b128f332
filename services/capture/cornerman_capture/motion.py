"""Motion of a look: mean absolute difference of two small grey pictures; and small pictures to compare looks. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDE: Final = 64
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def grey(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduces a picture to `SIDE` x `SIDE` grey levels, each the mean of its cell.

    Args:
        rgb: [H, W, 3], H and W at least 1; the aspect is not kept.

    Returns:
        [SIDE, SIDE], 0..255.
    """
    sums, cells = _cells(rgb)
    return (sums.astype(np.float32) @ _LUMA) / cells


def thumbnail(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduces a picture to `SIDE` x `SIDE` colours, each the mean of its cell: [SIDE, SIDE, 3]."""
    sums, cells = _cells(rgb)
    small: NDArray[np.uint8] = np.rint(sums.astype(np.float32) / cells[..., None]).astype(np.uint8)
    return small


def _cells(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Sums of each cell's pixels, [SIDE, SIDE, 3], and the number of pixels of each, [SIDE, SIDE]."""
    height, width = rgb.shape[:2]
    rows, columns = _edges(height), _edges(width)
    # Rows first, one cell row at a time, while memory is contiguous: three times as fast as reduceat on both axes.
    flat = rgb.reshape(height, width * 3)
    bands = np.empty((SIDE, width * 3), np.uint32)
    for band in range(SIDE):
        np.add.reduce(flat[rows[band] : max(rows[band + 1], rows[band] + 1)], axis=0, out=bands[band])
    sums = np.add.reduceat(bands.reshape(SIDE, width, 3), columns[:-1], axis=1)
    cells = np.outer(np.maximum(np.diff(rows), 1), np.maximum(np.diff(columns), 1)).astype(np.float32)
    return sums, cells


def motion(first: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    """Mean absolute difference of two grey pictures, scaled from 0..255 to 0..1."""
    return min(1.0, float(np.abs(first - last).mean()) / 255.0)


def _edges(length: int) -> NDArray[np.intp]:
    """Start of every cell, and the end. A side shorter than `SIDE` gives cells that repeat a pixel."""
    return np.arange(SIDE + 1, dtype=np.intp) * length // SIDE
