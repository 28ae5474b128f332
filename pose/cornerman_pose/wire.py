"""All people of a chunk and its picture's numbers as one array, as an encoder sends them to a decider. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cornerman_pose.errors import PoseError
from cornerman_pose.landmarks import LANDMARKS, MAX_PEOPLE, VALUES, Floats, SeenChunk
from cornerman_pose.picture import PictureStats

HEADER: Final = 6
"""Numbers in front of the people: height and width in pixels, number of people, then `PictureStats.packed`."""

ROW: Final = LANDMARKS * VALUES + 1


def pack_chunk(seen: SeenChunk, stats: PictureStats) -> Floats:
    """[6 + P * T * 199] float32: the header, then `SeenChunk.packed` in C order."""
    height, width = seen.size_px
    header = np.array([height, width, seen.people], np.float32)
    return np.concatenate([header, stats.packed(), seen.packed().ravel()])


def unpack_chunk(packed: Floats, frame_pts_s: Sequence[float]) -> tuple[SeenChunk, PictureStats]:
    """The chunk that `pack_chunk` packed.

    Args:
        packed: its result.
        frame_pts_s: [T] media time of each frame, seconds; they travel beside the array.

    Raises:
        PoseError: another length than the header says, more than three people, or numbers that are not finite.
    """
    frames = len(frame_pts_s)
    people = int(packed[2]) if packed.ndim == 1 and len(packed) >= HEADER and np.isfinite(packed[:HEADER]).all() else -1
    if not 0 <= people <= MAX_PEOPLE or len(packed) != HEADER + people * frames * ROW:
        raise PoseError(
            f"packed people are {list(packed.shape)} numbers for {frames} frames; expected {HEADER} + P * {frames} * "
            f"{ROW} with P = 0..{MAX_PEOPLE}: encoder and decider are of different releases"
        )
    if not np.isfinite(packed).all():
        raise PoseError("packed people hold numbers that are not finite; look at the encoder that sent them")
    size_px = (int(packed[0]), int(packed[1]))
    rows = packed[HEADER:].reshape(people, frames, ROW)
    return SeenChunk.unpacked(rows, size_px, frame_pts_s), PictureStats.unpacked(packed[3:HEADER])
