"""How much a chunk moves: mean absolute difference of two small grey pictures. Pure arithmetic on arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDE: Final = 64
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def grey(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The picture as `SIDE` x `SIDE` grey levels, each the mean of its cell.

    Args:
        rgb: [H, W, 3], H and W at least 1; the aspect is not kept.

    Returns:
        [SIDE, SIDE], 0..255.
    """
    height, width = rgb.shape[:2]
    rows, columns = _edges(height), _edges(width)
    # uint32 holds the sum of 2**24 pixels. Rows first: the long axis of memory is summed while it is contiguous.
    sums = np.add.reduceat(rgb, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1, dtype=np.uint32)
    cells = np.outer(np.maximum(np.diff(rows), 1), np.maximum(np.diff(columns), 1)).astype(np.float32)
    return (sums.astype(np.float32) @ _LUMA) / cells


def motion(first: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    """Mean absolute difference of two grey pictures of 0..255, as 0..1."""
    return min(1.0, float(np.abs(first - last).mean()) / 255.0)


def _edges(length: int) -> NDArray[np.intp]:
    """Where the cells begin, and the end. A side shorter than `SIDE` gives cells that repeat a pixel."""
    return np.arange(SIDE + 1, dtype=np.intp) * length // SIDE
