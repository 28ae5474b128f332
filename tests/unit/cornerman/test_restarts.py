"""Five restarts in sixty seconds, then no more."""

import random

from cornerman.local.restarts import Restarts
from cornerman_shared.backoff import Backoff


def restarts() -> Restarts:
    return Restarts(Backoff(0.2, 5.0, random.Random(1)))


def test_the_sixth_crash_within_a_minute_gives_up() -> None:
    policy = restarts()
    waits = [policy.crashed(float(second)) for second in range(6)]
    assert None not in waits[:5]
    assert waits[5] is None


def test_crashes_that_are_far_apart_never_give_up() -> None:
    policy = restarts()
    assert all(policy.crashed(13.0 * number) is not None for number in range(100))


def test_waits_grow_and_are_short_again_after_a_quiet_minute() -> None:
    policy = restarts()
    for second in range(4):
        policy.crashed(float(second))
    assert policy._backoff.ceiling_s > 1.0
    policy.crashed(1000.0)
    assert policy._backoff.ceiling_s == 0.4
