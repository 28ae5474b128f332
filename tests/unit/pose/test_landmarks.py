"""The arrays that carry landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.errors import PoseError
from cornerman_pose.landmarks import INDEX, MIRROR, NAMES, SIDES, SeenChunk
from tests.unit.pose.bodies import chunk, person, standing, track


def test_mirror_exchanges_left_and_right() -> None:
    assert NAMES[MIRROR[INDEX["left_wrist"]]] == "right_wrist"
    assert MIRROR[INDEX["nose"]] == INDEX["nose"]
    np.testing.assert_array_equal(np.arange(33)[list(MIRROR)][list(MIRROR)], np.arange(33))
    assert (SIDES[0], SIDES[9], SIDES[12]) == ("middle", "left", "right")


def test_mirrored_symmetric_body_is_itself() -> None:
    np.testing.assert_allclose(standing()[list(MIRROR)] * [-1, 1, 1], standing())


def test_packed_chunk_comes_back() -> None:
    seen = chunk([person()], [person(80), None, *[person(80)] * 6])
    back = SeenChunk.unpacked(seen.packed(), seen.size_px, seen.frame_pts_s)
    assert seen.packed().shape == (2, 8, 33 * 6 + 1)
    assert back.packed().tobytes() == seen.packed().tobytes()
    assert back.found.tolist()[1][:3] == [True, False, True]


def test_empty_chunk_packs() -> None:
    seen = SeenChunk.of_rows([], (224, 398), range(8))
    assert SeenChunk.unpacked(seen.packed(), (224, 398), range(8)).people == 0


def test_wrong_shape_names_expected_one() -> None:
    with pytest.raises(PoseError, match=r"\[0..3, 8, 199\]"):
        SeenChunk.unpacked(np.zeros((1, 8, 33), np.float32), (224, 398), range(8))


def test_track_gives_overlapping_chunks() -> None:
    chunks = track(20).chunks(4)
    assert [one.frame_pts_s[0] for one in chunks] == [0.0, 0.5, 1.0, 1.5]
    assert track(7).chunks() == []
    assert chunks[1].person(0).t_s[0] == 0.5


def test_overlap_of_eight_is_refused() -> None:
    with pytest.raises(PoseError, match="overlap = 8"):
        track(20).chunks(8)
