"""Light and the camera's motion, from pixels."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.memory import LastUsed
from cornerman_pose.picture import PictureStats, _blocks, picture_stats
from tests.unit.pose.bodies import chunk, person

NOBODY = SeenChunk.of_rows([], (224, 398), [number / 8 for number in range(8)])


def room(width: int = 700) -> np.ndarray:
    """A smooth random wall, [224, width, 3]."""
    coarse = np.random.default_rng(3).uniform(40, 210, (15, width // 16))
    x, y = np.linspace(0, coarse.shape[1] - 1.001, width), np.linspace(0, coarse.shape[0] - 1.001, 224)
    left, top = x.astype(int), y.astype(int)
    across, down = (x - left)[None], (y - top)[:, None]
    upper = coarse[top][:, left] * (1 - across) + coarse[top][:, left + 1] * across
    lower = coarse[top + 1][:, left] * (1 - across) + coarse[top + 1][:, left + 1] * across
    return np.repeat((upper * (1 - down) + lower * down)[..., None], 3, axis=2).astype(np.uint8)


def panned(pixels_a_frame: int) -> np.ndarray:
    wall = room()
    return np.stack([wall[:, 20 + pixels_a_frame * n : 418 + pixels_a_frame * n] for n in range(8)])


@pytest.mark.parametrize("step", [1, 3, 6, 9])
def test_panned_camera_is_measured(step: int) -> None:
    stats = picture_stats(panned(step), NOBODY)
    assert stats.camera == pytest.approx(step * 8 / 224, rel=0.25)


def test_shared_pairs_are_measured_once() -> None:
    moves: LastUsed[float] = LastUsed(16)
    frames = panned(2)
    first = picture_stats(frames, NOBODY, moves)
    assert (moves.hits, moves.misses) == (0, 4)
    assert picture_stats(frames, NOBODY, moves) == first == picture_stats(frames, NOBODY)
    assert (moves.hits, moves.misses) == (4, 4)


def test_still_camera_does_not_move() -> None:
    assert picture_stats(panned(0), NOBODY).camera == 0


def test_noise_is_no_motion() -> None:
    noise = np.random.default_rng(0).normal(0, 6, (8, 224, 398, 1))
    frames = np.clip(panned(0) + noise, 0, 255).astype(np.uint8)
    assert picture_stats(frames, NOBODY).camera < 0.01


def test_moving_person_is_not_the_camera() -> None:
    frames = panned(0).copy()
    people = [person(120 + 12 * number) for number in range(8)]
    for number in range(8):
        frames[number, 40:190, 95 + 12 * number : 145 + 12 * number] = 15
    assert picture_stats(frames, chunk(people)).camera < 0.01


def test_passing_car_is_not_the_camera() -> None:
    frames = panned(0).copy()
    for number in range(8):
        frames[number, 120:170, 20 + 20 * number : 120 + 20 * number] = 230
    assert picture_stats(frames, NOBODY).camera < 0.02


def test_light_is_where_people_are() -> None:
    frames = np.full((8, 224, 398, 3), 200, np.uint8)
    frames[:, :, 60:340] = 20
    stats = picture_stats(frames, chunk([person(200)]))
    assert (stats.light, stats.person_light) == (pytest.approx(200, abs=1), pytest.approx(20, abs=1))
    assert picture_stats(frames, NOBODY).person_light == pytest.approx(200, abs=1)


def test_tiny_frames_are_measured() -> None:
    seen = SeenChunk.of_rows([], (2, 3), [number / 8 for number in range(8)])
    assert picture_stats(np.full((8, 2, 3, 3), 90, np.uint8), seen).light == pytest.approx(90, abs=1)


def test_packed_stats_come_back() -> None:
    stats = PictureStats(1.5, 2.5, 0.25)
    assert PictureStats.unpacked(stats.packed()) == stats


@pytest.mark.parametrize(("height", "width", "step"), [(48, 60, 7), (5, 40, 9), (300, 33, 280)])
def test_blocks_are_exact_means(height: int, width: int, step: int) -> None:
    """Also of 280 white rows, whose sum needs more than 16 bits, and of pictures smaller than a block."""
    frames = np.random.default_rng(3).integers(250, 256, (2, height, width, 3), np.uint8)
    high, wide = min(step, height), min(step, width)
    rows, columns = height // high if height >= step else 1, width // wide if width >= step else 1
    whole = frames[:, : rows * high, : columns * wide].astype(np.float64) @ [0.299, 0.587, 0.114]
    wanted = whole.reshape(2, rows, high, columns, wide).mean(axis=(2, 4))
    np.testing.assert_allclose(_blocks(frames, step), wanted, rtol=1e-6)
