"""Draws skeletons on pictures, with numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cornerman_pose.landmarks import INDEX, SIDES, Floats, SeenChunk
from cornerman_pose.warp import Pixels

Colour = tuple[int, int, int]

_PAIRS: Final = (
    ("shoulder", "elbow"),
    ("elbow", "wrist"),
    ("wrist", "index"),
    ("shoulder", "hip"),
    ("hip", "knee"),
    ("knee", "ankle"),
    ("ankle", "heel"),
    ("heel", "foot_index"),
    ("ankle", "foot_index"),
)
BONES: Final = (
    *((INDEX[f"{side}_{a}"], INDEX[f"{side}_{b}"]) for side in ("left", "right") for a, b in _PAIRS),
    (INDEX["left_shoulder"], INDEX["right_shoulder"]),
    (INDEX["left_hip"], INDEX["right_hip"]),
    (INDEX["left_ear"], INDEX["nose"]),
    (INDEX["right_ear"], INDEX["nose"]),
)
"""Pairs of landmarks that are joined by a line."""

COLOURS: Final[dict[str, Colour]] = {"left": (255, 140, 40), "right": (40, 170, 255), "middle": (120, 230, 120)}
"""Of the person's left, right and middle."""

FAINT: Final[Colour] = (150, 150, 150)
"""Of people who are not followed."""

HIDDEN: Final = 0.5
"""Landmarks less visible than this are drawn at half strength."""


def draw(
    picture: Pixels, image_px: Floats, visibility: Floats, *, faint: bool = False, thickness: int | None = None
) -> Pixels:
    """A copy of a picture with one skeleton on it.

    Args:
        picture: [H, W, 3] RGB.
        image_px: [33, 2].
        visibility: [33] 0..1.
        faint: in grey, for people who are not followed.
        thickness: of lines, pixels; None = by the size of the picture.
    """
    done = picture.copy()
    wide = thickness or max(1, round(min(picture.shape[:2]) / 110))
    for a, b in BONES:
        side = SIDES[a] if SIDES[a] == SIDES[b] else "middle"
        strength = 1.0 if min(visibility[a], visibility[b]) >= HIDDEN else 0.45
        _line(done, image_px[a], image_px[b], FAINT if faint else COLOURS[side], wide, strength)
    return done


def draw_chunk(frame: Pixels, seen: SeenChunk, number: int, followed: int | None = None) -> Pixels:
    """A frame of a chunk with all people found in it; all but the followed one in grey.

    Args:
        frame: [H, W, 3] RGB, of the size that was seen.
        seen: the chunk's landmarks.
        number: of the frame within the chunk.
        followed: row of the person followed; None = all in colour.
    """
    done = frame
    for row in range(seen.people):
        if seen.found[row, number]:
            faint = followed is not None and row != followed
            done = draw(done, seen.image_px[row, number], seen.visibility[row, number], faint=faint)
    return done


def sheet(pictures: Sequence[Pixels], columns: int = 4) -> Pixels:
    """Pictures of one size side by side, row by row, black where there are none."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    done = np.zeros((rows * height, min(columns, len(pictures)) * width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * height, number % columns * width
        done[top : top + height, left : left + width] = picture
    return done


def _line(picture: Pixels, start: Floats, end: Floats, colour: Colour, wide: int, strength: float) -> None:
    """Blends a thick line into the picture; the parts outside are left out."""
    height, width = picture.shape[:2]
    reach = wide / 2 + 1
    low = np.floor(np.minimum(start, end) - reach).astype(int)
    high = np.ceil(np.maximum(start, end) + reach).astype(int) + 1
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(width, int(high[0])), min(height, int(high[1]))
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right)[None, :] - float(start[0])
    y = np.arange(top, bottom)[:, None] - float(start[1])
    along_x, along_y = float(end[0] - start[0]), float(end[1] - start[1])
    length = max(along_x**2 + along_y**2, 1e-9)
    part = np.clip((x * along_x + y * along_y) / length, 0, 1)
    apart = np.hypot(x - part * along_x, y - part * along_y)
    cover = (np.clip(wide / 2 + 0.5 - apart, 0, 1) * strength)[..., None]
    patch = picture[top:bottom, left:right]
    patch[:] = np.rint(patch * (1 - cover) + np.asarray(colour) * cover).astype(np.uint8)
