"""From the landmark net's tensors to a person."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.decode import find, refined, sigmoid, turned
from cornerman_pose.warp import Roi
from tests.unit.pose.bodies import PaintedLandmarks, painted, standing


def test_person_is_found_in_the_square() -> None:
    found = find(PaintedLandmarks(), painted((200, 110)), Roi(190, 100, 180, 0.0))
    hips = found.person.image_px[[23, 24]].mean(axis=0)
    np.testing.assert_allclose(hips, [200, 110], atol=0.6)
    assert found.person.presence == pytest.approx(0.99)
    np.testing.assert_allclose((found.next_roi.x, found.next_roi.y), (200, 110), atol=0.6)


def test_turned_square_turns_metres_back() -> None:
    upright = find(PaintedLandmarks(), painted((200, 110)), Roi(200, 110, 180, 0.0)).person
    tilted = find(PaintedLandmarks(), painted((200, 110)), Roi(200, 110, 180, 0.5)).person
    np.testing.assert_allclose(tilted.world_m, turned(upright.world_m, 0.5), atol=1e-6)
    assert turned(standing(), np.pi / 2)[0, 0] == pytest.approx(0.62)


def test_empty_square_has_nobody() -> None:
    assert find(PaintedLandmarks(), painted(), Roi(190, 100, 180, 0.0)).person.presence == 0


def test_heat_moves_a_point_to_its_peak() -> None:
    heat = np.full((64, 64, 2), -50.0, np.float32)
    heat[20, 31] = 6.0
    points = np.array([[30.0 * 4, 20.0 * 4], [50.0 * 4, 20.0 * 4]])
    np.testing.assert_allclose(refined(points, heat), [[31 * 4, 20 * 4], [200, 80]], atol=1e-6)


def test_faint_heat_moves_nothing() -> None:
    heat = np.full((64, 64, 1), -1.0, np.float32)
    assert refined(np.array([[33.0, 44.0]]), heat).tolist() == [[33.0, 44.0]]


def test_point_outside_stays() -> None:
    heat = np.full((64, 64, 1), 9.0, np.float32)
    assert refined(np.array([[-8.0, 300.0]]), heat).tolist() == [[-8.0, 300.0]]


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e4, 0, 1e4], np.float32)).tolist() == pytest.approx([0, 0.5, 1])
