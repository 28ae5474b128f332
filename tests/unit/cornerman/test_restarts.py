"""Restart policy: five quick restarts in sixty seconds, then growing pauses."""

import random

import pytest

from cornerman.local.restarts import LONGEST_PAUSE_S, Restarts
from cornerman_shared.backoff import Backoff


def restarts() -> Restarts:
    return Restarts(Backoff(0.2, 5.0, random.Random(1)), Backoff(10.0, LONGEST_PAUSE_S, random.Random(1)))


def test_sixth_crash_is_down() -> None:
    policy = restarts()
    answers = [policy.crashed(float(second), 1.0) for second in range(6)]
    assert [answer.down for answer in answers] == [False] * 5 + [True]


def test_pauses_grow_to_their_bound() -> None:
    policy = restarts()
    now_s, ceilings = 0.0, []
    for _ in range(5):
        policy.crashed(now_s, 1.0)
    for _ in range(8):
        ceilings.append(policy._pauses.ceiling_s)
        answer = policy.crashed(now_s, 1.0)
        assert answer.down
        assert 0.0 <= answer.wait_s <= ceilings[-1]
        now_s += answer.wait_s + 1.0
    assert ceilings == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


@pytest.mark.parametrize("quiet_s", [60.0, 1000.0])
def test_long_life_starts_over(quiet_s: float) -> None:
    policy = restarts()
    for second in range(9):
        last = policy.crashed(float(second), 1.0)
    assert last.down
    assert not policy.crashed(9.0 + quiet_s, quiet_s).down
    assert policy._backoff.ceiling_s == 0.4
    assert policy._pauses.tries == 0


def test_rare_crashes_are_never_down() -> None:
    policy = restarts()
    assert not any(policy.crashed(13.0 * number, 12.9).down for number in range(100))
