"""People of a chunk as one array: what was packed comes back, and damaged arrays are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.errors import PoseError
from cornerman_pose.picture import PictureStats
from cornerman_pose.wire import HEADER, ROW, pack_chunk, unpack_chunk
from tests.unit.pose.bodies import chunk, person

STATS = PictureStats(120.0, 80.5, 0.25)


@pytest.mark.parametrize("people", [0, 1, 3])
def test_packed_chunk_comes_back(people: int) -> None:
    seen = chunk(*([person(100.0 + 50 * row)] for row in range(people)))
    packed = pack_chunk(seen, STATS)
    again, stats = unpack_chunk(packed, seen.frame_pts_s)
    assert packed.dtype == np.float32 and packed.shape == (HEADER + people * 8 * ROW,)
    assert (again.size_px, again.people, stats) == (seen.size_px, people, STATS)
    assert again.packed().tobytes() == seen.packed().tobytes()


@pytest.mark.parametrize("damage", ["short", "long", "people", "fraction", "empty", "nan"])
def test_damaged_array_is_refused(damage: str) -> None:
    seen = chunk([person()])
    packed = pack_chunk(seen, STATS)
    damaged = {
        "short": packed[:-1],
        "long": np.append(packed, np.float32(0)),
        "people": np.concatenate([packed[:2], [4.0], packed[3:]]).astype(np.float32),
        "fraction": packed.reshape(1, -1),
        "empty": packed[:0],
        "nan": np.where(np.arange(len(packed)) == HEADER + 5, np.nan, packed).astype(np.float32),
    }[damage]
    with pytest.raises(PoseError, match="packed people"):
        unpack_chunk(damaged, seen.frame_pts_s)
