"""Anchors, decoding and suppression of the person detector."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.detector import anchors, body_square, detect, merged, overlaps
from tests.unit.pose.bodies import PaintedDetector, painted


def test_anchors_lie_in_three_grids() -> None:
    assert anchors().shape == (2254, 2)
    np.testing.assert_allclose(anchors()[[0, 1, 2]], [[0.5 / 28] * 2, [0.5 / 28] * 2, [1.5 / 28, 0.5 / 28]])
    np.testing.assert_allclose(anchors()[1568], [0.5 / 14] * 2)
    np.testing.assert_allclose(anchors()[-1], [6.5 / 7] * 2)


def test_person_is_placed_in_the_picture() -> None:
    (found,) = detect(PaintedDetector(), painted((250, 120)))
    np.testing.assert_allclose(found.hips_px, [250, 120], atol=1.5)
    assert found.roi.side == pytest.approx(2 * 35 * 1.25 * 398 / 224, rel=0.01)
    assert found.roi.angle == pytest.approx(0, abs=1e-6)


def test_empty_picture_has_nobody() -> None:
    assert detect(PaintedDetector(), painted()) == []


def test_surest_people_are_kept() -> None:
    picture = painted((60, 120), (150, 120), (240, 120), (330, 120))
    assert len(detect(PaintedDetector(), picture)) == 3
    assert len(detect(PaintedDetector(), picture, most=1)) == 1


def test_overlapping_boxes_become_one() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 50, 50]], float)
    points = np.array([[0.0], [3.0], [9.0]])
    found = merged(boxes, points, np.array([0.6, 0.9, 0.7]))
    assert [score for score, _ in found] == [0.9, 0.7]
    assert found[0][1][0] == pytest.approx((0.6 * 0 + 0.9 * 3) / 1.5)


def test_box_of_no_area_overlaps_nothing() -> None:
    assert overlaps(np.zeros(4), np.zeros((2, 4))).tolist() == [0, 0]


def test_square_turns_with_the_body() -> None:
    lying = body_square(np.array([10.0, 10.0]), np.array([30.0, 10.0]))
    assert (lying.side, lying.angle) == (50.0, pytest.approx(np.pi / 2))
