"""The landmarks that features are made of, by number: 19 of the estimator's 33."""

from __future__ import annotations

from typing import Final

POINTS: Final = (0, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32)
"""Nose, ears, shoulders, elbows, wrists, hips, knees, ankles, heels, toes; of each pair the left one first."""

SPACE: Final = slice(0, 19 * 3)
"""Where the points in space lie in a row of features."""

PICTURE: Final = slice(19 * 5, 19 * 7)
"""Where those in the picture lie."""

VISIBILITY: Final = slice(19 * 7, 19 * 8)
"""Where their visibility lies."""

PARTS: Final[dict[str, tuple[int, int]]] = {
    "ears": (1, 2),
    "shoulders": (3, 4),
    "elbows": (5, 6),
    "wrists": (7, 8),
    "hips": (9, 10),
    "knees": (11, 12),
    "ankles": (13, 14),
    "heels": (15, 16),
    "toes": (17, 18),
}
"""Left and right of each part, as places in `POINTS`."""
