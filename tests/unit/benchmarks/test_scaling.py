"""The simulated cluster loses no chunk, and rules scale it as they should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.autoscaling import ScaleBounds
from benchmarks.scaling_cluster import SimulatedCluster
from benchmarks.scaling_scenarios import LoadScenario, ScaleRule, ScalingOutcome, percentile, recovery_s, simulate
from benchmarks.service_times import ServiceTimes

RULE = ScaleRule("both", ScaleBounds(1, 16, down_window_s=120.0), lag=4, busy=0.7)
STEP = LoadScenario("step", 400, ((0, 1), (60, 20)), (60.0,))
SERVICE_S = [0.09, 0.1, 0.11]


def cluster(service_s: list[float] = SERVICE_S, slow: tuple[float, ...] = (1.0,)) -> SimulatedCluster:
    return SimulatedCluster(service_s, batch=4, credit=4, start_s=20.0, slow=slow)


def play(scenario: LoadScenario = STEP, rule: ScaleRule = RULE) -> ScalingOutcome:
    return simulate(scenario, rule, SERVICE_S, cluster)


@pytest.mark.parametrize("until_s", [0.3, 5.0, 47.7, 200.0])
def test_every_chunk_is_accounted_for(until_s: float) -> None:
    made = cluster(slow=(1.0, 2.5))
    made.start_ready(2)
    made.play(30)
    made.at(20.0, lambda: made.want(6))
    made.at(60.0, lambda: made.roll())
    made.at(100.0, lambda: made.want(3))
    made.at(150.0, lambda: made.play(0))
    made.run_until(until_s)
    assert made.due == made.dropped + made.decided + made.waiting + made.in_work
    assert made.due >= 30 * int(min(until_s, 150.0) * 2 - 1)


def test_work_is_service_time() -> None:
    made = cluster()
    made.start_ready(3)
    made.play(9)
    made.at(30.0, lambda: made.play(0))
    made.run_until(60.0)
    assert made.waiting == made.in_work == 0
    assert made.used_s == pytest.approx(0.1 * made.decided, abs=0.02)
    assert made.pod_seconds == pytest.approx(180.0)


def test_idle_cluster_is_not_scaled() -> None:
    outcome = play(LoadScenario("idle", 900, ((0, 0),), (0.0,)))
    assert (outcome.due, outcome.peak, outcome.changes, outcome.pod_seconds) == (0, 1, 0, 900)


def test_credit_bounds_what_waits() -> None:
    made = cluster()
    made.play(10)
    made.run_until(20.0)
    assert made.waiting == 40
    assert made.dropped == made.due - 40


def test_update_replaces_every_pod() -> None:
    made = cluster()
    made.start_ready(8)
    before = list(made.pods)
    least = []
    made.roll()
    for second in range(1, 200):
        made.run_until(float(second))
        least.append(sum(pod.ready and not pod.leaving for pod in made.pods))
    assert min(least) >= 6
    assert len(made.pods) == 8 and not set(map(id, made.pods)) & set(map(id, before))


def test_update_without_shares_goes_on() -> None:
    made = cluster()
    made.start_ready(2)
    made.roll(surge=0.0, unavailable=0.25)
    made.run_until(60.0)
    assert [pod.version for pod in made.pods] == [1, 1]


def test_step_is_overcome() -> None:
    outcome = play()
    assert outcome.needed == 4
    assert outcome.recovered_s < 120
    assert outcome.changes == 0


def test_lag_alone_loses_steady_chunks() -> None:
    """Enough pods leave no lag, so a rule that sees only lag takes them away again."""
    steady = LoadScenario("steady", 1200, ((0, 40),), (0.0,))
    assert play(steady).dropped == 0
    assert play(steady, replace(RULE, busy=0.0)).dropped > 1000


def test_same_arguments_give_same_outcome() -> None:
    assert play() == play()


def test_recovery_ends_with_the_drops() -> None:
    assert recovery_s(10.0, [], 100.0) == 0.0
    assert recovery_s(10.0, [5.0, 12.0, 30.0, 90.0], 200.0) == 20.0
    assert recovery_s(10.0, [12.0, 30.0], 40.0) == float("inf")


def test_percentile_is_a_value() -> None:
    assert percentile([], 0.95) == 0.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(each) for each in range(1, 101)], 0.95) == 95.0


def test_recording_has_its_origin() -> None:
    recorded = ServiceTimes.load()
    assert recorded.date and recorded.machine and recorded.command
    assert 0.01 < recorded.mean_s < 1.0
