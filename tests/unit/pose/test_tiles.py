"""Tiles of a frame: they cover it, and a person in two of them counts once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cornerman_pose.detector import Detection
from cornerman_pose.tiles import MOST_TILES, apart_from, detect_in_tiles, is_wide, tiles
from tests.unit.pose.bodies import PaintedDetector, painted

SIZES = [
    (360, 640),
    (640, 360),
    (480, 640),
    (360, 360),
    (360, 1280),
    (1280, 300),
    (100, 1200),
    (64, 4000),
    (1080, 1920),
]


def at(x: float, score: float, radius: float = 50.0) -> Detection:
    return Detection(score, np.array([x, 100.0]), np.array([x, 100.0 - radius]))


@pytest.mark.parametrize(("height", "width"), SIZES, ids=lambda length: str(length))
def test_tiles_cover_the_picture(height: int, width: int) -> None:
    found = tiles(height, width)
    assert 1 <= len(found) <= MOST_TILES and len(set(found)) == len(found)
    covered = np.zeros((height, width), bool)
    for one in found:
        left, top = (round(value - (one.side - 1) / 2) for value in (one.x, one.y))
        covered[max(0, top) : top + round(one.side), max(0, left) : left + round(one.side)] = True
    assert covered.all()


@pytest.mark.parametrize(("height", "width"), SIZES[:5], ids=lambda length: str(length))
def test_narrow_person_is_whole_in_a_tile(height: int, width: int) -> None:
    squares = tiles(height, width)
    lefts = sorted({one.x - one.side / 2 for one in squares})
    side = squares[0].side
    assert all(after - before <= 0.7 * side + 1 for before, after in itertools.pairwise(lefts))


def test_wide_begins_past_two_to_one() -> None:
    assert is_wide(360, 722) and is_wide(722, 360)
    assert not is_wide(360, 720) and not is_wide(1080, 1920)


def test_person_in_two_tiles_counts_once() -> None:
    (found,) = detect_in_tiles(PaintedDetector(), painted((199, 112)))
    np.testing.assert_allclose(found.hips_px, [199, 112], atol=1.5)


def test_nearer_look_clears_a_person() -> None:
    doubting = PaintedDetector(sure_px=15)  # 9 pixels of the picture are 12 in a tile, and 17 and 24 from nearer
    (found,) = detect_in_tiles(doubting, painted((60, 60)))
    np.testing.assert_allclose(found.hips_px, [60, 60], atol=1.5)
    assert found.score > 0.95 and doubting.runs == len(tiles(224, 398)) + 2


def test_find_that_stays_doubtful_is_none() -> None:
    assert detect_in_tiles(PaintedDetector(sure_px=1000), painted((60, 60))) == []


def test_surest_of_one_body_is_kept() -> None:
    kept = apart_from([at(100, 0.7), at(110, 0.9), at(300, 0.8)], [])
    assert [one.score for one in kept] == [0.9, 0.8]
    assert apart_from([at(100, 0.99)], [at(95, 0.6)]) == []


def test_tiles_show_at_most_so_many() -> None:
    assert len(detect_in_tiles(PaintedDetector(), painted((60, 120), (160, 120), (330, 120)), most=2)) == 2
