"""Skeletons on pictures."""

from __future__ import annotations

import numpy as np

from cornerman_pose.overlay import BONES, COLOURS, draw, draw_chunk, sheet
from tests.unit.pose.bodies import chunk, person


def blank() -> np.ndarray:
    return np.zeros((224, 398, 3), np.uint8)


def test_bones_are_where_landmarks_are() -> None:
    one = person(visible=1.0)
    done = draw(blank(), one.image_px, one.visibility)
    x, y = ((one.image_px[25] + one.image_px[27]) / 2).round().astype(int)
    assert np.abs(done[y, x].astype(int) - COLOURS["left"]).max() < 40
    assert not done[:5].any() and blank().shape == done.shape


def test_picture_is_not_changed() -> None:
    picture = blank()
    draw(picture, person().image_px, person().visibility)
    assert not picture.any()


def test_hidden_bones_are_fainter() -> None:
    seen = draw(blank(), person().image_px, person().visibility).astype(int).sum()
    unseen = draw(blank(), person().image_px, person(visible=0.1).visibility).astype(int).sum()
    assert 0 < unseen < 0.6 * seen


def test_person_outside_draws_nothing() -> None:
    assert not draw(blank(), person(x=5000).image_px, person().visibility).any()


def test_others_are_grey() -> None:
    seen = chunk([person(100)], [person(300)])
    done = draw_chunk(blank(), seen, 7, followed=1)
    assert np.ptp(done[:, :200].astype(int), axis=2).max() == 0
    assert np.ptp(done[:, 200:].astype(int), axis=2).max() > 50
    assert len(BONES) == 22


def test_sheet_fills_rows() -> None:
    done = sheet([np.full((2, 3, 3), n, np.uint8) for n in range(5)], columns=2)
    assert done.shape == (6, 6, 3)
    assert done[2, 3].tolist() == [3, 3, 3] and not done[4, 3].any()
