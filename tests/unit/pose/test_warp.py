"""Squares cut out of pictures."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from cornerman_pose.warp import Roi, crop, whole


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_whole_square_is_the_picture() -> None:
    picture = noise(16, 16)
    np.testing.assert_array_equal(crop(picture, whole(16, 16), 16), picture)


def test_wide_picture_is_letterboxed() -> None:
    done = crop(np.full((8, 16, 3), 200, np.uint8), whole(8, 16), 16)
    assert not done[:3].any() and not done[13:].any()
    assert (done[5:11] == 200).all()


def test_quarter_turn_turns_the_picture() -> None:
    picture = noise(16, 16)
    done = crop(picture, Roi(7.5, 7.5, 16, np.pi / 2), 16)
    np.testing.assert_array_equal(done, np.rot90(picture))


def test_square_outside_is_black() -> None:
    assert not crop(noise(16, 16), Roi(900, -500, 40, 0.3), 32).any()


def test_points_map_to_cropped_pixels() -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[20:23, 50:53] = 255
    roi = Roi(45, 25, 40, 0.7)
    rows, columns = np.nonzero(crop(picture, roi, 64)[..., 0] > 128)
    there = roi.to_picture(np.array([[columns.mean(), rows.mean()]]), 64)
    np.testing.assert_allclose(there, [[51, 21]], atol=0.2)


def test_half_pixel_is_the_mean() -> None:
    picture = np.array([[[0] * 3, [100] * 3]], np.uint8)
    assert crop(picture, Roi(0.5, 0, 1, 0), 1).tolist() == [[[50, 50, 50]]]


def test_bands_do_not_show() -> None:
    """The square is cut in bands; a picture of 256 rows has eight."""
    picture = np.random.default_rng(2).integers(0, 256, (90, 120, 3), np.uint8)
    roi = Roi(50.3, 40.7, 130.0, 0.4)
    places = roi.to_picture(np.stack(np.meshgrid(np.arange(256), np.arange(256)), -1).reshape(-1, 2), 256)
    padded = np.pad(picture, ((64, 64), (64, 64), (0, 0))).astype(float)
    down, across = places[:, 1] + 64, places[:, 0] + 64
    row, column = np.floor(down).astype(int), np.floor(across).astype(int)
    low, left = (down - row)[:, None], (across - column)[:, None]
    wanted = (padded[row, column] * (1 - left) + padded[row, column + 1] * left) * (1 - low) + (
        padded[row + 1, column] * (1 - left) + padded[row + 1, column + 1] * left
    ) * low
    np.testing.assert_allclose(crop(picture, roi, 256).reshape(-1, 3), wanted, atol=20)


@pytest.mark.parametrize("roi", [Roi(3.2, -4.1, 30.0, 0.6), Roi(58.0, 44.0, 50.0, -2.2), Roi(30, 20, 300.0, 0.1)])
def test_square_is_that_of_a_larger_picture(roi: Roi) -> None:
    """Only the part of the picture in the square is read, also at its edges."""
    picture = noise(48, 60)
    larger = np.pad(picture, ((400, 400), (400, 400), (0, 0)))
    moved = Roi(roi.x + 400, roi.y + 400, roi.side, roi.angle)
    np.testing.assert_array_equal(crop(picture, roi, 64), crop(larger, moved, 64))


def test_small_square_costs_no_picture() -> None:
    """The whole picture was copied for each person in each frame."""
    picture = np.zeros((1200, 1600, 3), np.uint8)
    tracemalloc.start()
    try:
        crop(picture, Roi(800, 600, 64, 0.2), 64)
        assert tracemalloc.get_traced_memory()[1] < picture.nbytes / 4
    finally:
        tracemalloc.stop()
