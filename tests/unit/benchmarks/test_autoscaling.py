"""The autoscaler's arithmetic, with numbers worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.autoscaling import Autoscaler, ScaleBounds, by_average, by_utilization


@pytest.mark.parametrize(
    ("value", "target", "now", "wanted"),
    [(0, 4, 3, 0), (9, 4, 1, 3), (12, 4, 3, 3), (13, 4, 3, 3), (14, 4, 3, 4), (2.1, 0.7, 3, 3), (400, 4, 8, 100)],
)
def test_average_target_wishes_pods(value: float, target: float, now: int, wanted: int) -> None:
    assert by_average(value, target, now) == wanted


def test_target_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"target = 0: give a value above 0"):
        by_average(1, 0, 1)


def test_utilization_wishes_pods() -> None:
    assert by_utilization([1.0, 1.0, 1.0], 0.75, 3) == 4
    assert by_utilization([0.3, 0.3, 0.3, 0.3], 0.75, 4) == 2
    assert by_utilization([0.8, 0.8], 0.75, 2) == 2
    assert by_utilization([], 0.75, 2) == 2


def test_pods_that_start_count_as_idle() -> None:
    assert by_utilization([1.0, 1.0], 0.75, 4) == 4
    assert by_utilization([0.1, 0.1], 0.75, 4) == 4


def test_step_upwards_is_limited() -> None:
    scaler = Autoscaler(ScaleBounds(1, 64))
    assert scaler.step(0.0, 1, [100]) == 5
    assert scaler.step(15.0, 5, [100]) == 10
    assert scaler.step(30.0, 40, [100]) == 64


def test_largest_wish_wins() -> None:
    assert Autoscaler(ScaleBounds(1, 8)).step(0.0, 2, [0, 3, 1]) == 3


def test_pods_go_after_the_window() -> None:
    scaler = Autoscaler(ScaleBounds(1, 64, down_window_s=60.0))
    assert scaler.step(0.0, 8, [8]) == 8
    assert [scaler.step(at_s, 8, [2]) for at_s in (15.0, 30.0, 45.0, 60.0)] == [8, 8, 8, 8]
    assert scaler.step(75.0, 8, [2]) == 2


def test_steps_downwards_may_be_limited() -> None:
    scaler = Autoscaler(ScaleBounds(1, 64, down_window_s=0.0, down_pods=2, down_every_s=60.0))
    assert scaler.step(0.0, 8, [1]) == 6
    assert scaler.step(15.0, 6, [1]) == 6
    assert scaler.step(60.0, 6, [1]) == 4
