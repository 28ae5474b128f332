"""Restart policy: five restarts in sixty seconds, then none."""

import random

from cornerman.local.restarts import Restarts
from cornerman_shared.backoff import Backoff


def restarts() -> Restarts:
    return Restarts(Backoff(0.2, 5.0, random.Random(1)))


def test_sixth_crash_gives_up() -> None:
    policy = restarts()
    waits = [policy.crashed(float(second)) for second in range(6)]
    assert None not in waits[:5]
    assert waits[5] is None


def test_rare_crashes_never_give_up() -> None:
    policy = restarts()
    assert all(policy.crashed(13.0 * number) is not None for number in range(100))


def test_quiet_minute_resets_the_wait() -> None:
    policy = restarts()
    for second in range(4):
        policy.crashed(float(second))
    assert policy._backoff.ceiling_s > 1.0
    policy.crashed(1000.0)
    assert policy._backoff.ceiling_s == 0.4
