"""Full jitter, with a seeded source of randomness; nothing sleeps."""

import random

import pytest

from cornerman_shared.backoff import Backoff


def test_ceiling_doubles_up_to_cap() -> None:
    backoff = Backoff(base_s=0.1, cap_s=1.0)
    ceilings = []
    for _ in range(6):
        ceilings.append(round(backoff.ceiling_s, 3))
        backoff.next_s()
    assert ceilings == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_waits_fill_the_range() -> None:
    backoff = Backoff(base_s=1.0, cap_s=1.0, rng=random.Random(7))
    waits = [backoff.next_s() for _ in range(2000)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95
    assert 0.45 < sum(waits) / len(waits) < 0.55


def test_reset_shortens_the_next_wait() -> None:
    backoff = Backoff(base_s=0.1, cap_s=10.0)
    for _ in range(5):
        backoff.next_s()
    assert backoff.tries == 5
    backoff.reset()
    assert backoff.ceiling_s == pytest.approx(0.1)


def test_thousand_waits_do_not_overflow() -> None:
    backoff = Backoff(base_s=0.1, cap_s=30.0)
    for _ in range(5000):
        assert 0 <= backoff.next_s() <= 30.0


@pytest.mark.parametrize(("base_s", "cap_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_invalid_bounds_are_named(base_s: float, cap_s: float) -> None:
    with pytest.raises(ValueError, match=f"base_s={base_s}"):
        Backoff(base_s=base_s, cap_s=cap_s)
