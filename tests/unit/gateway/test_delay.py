"""The delay follows first tokens; the playout follows the delay without jumping."""

from __future__ import annotations

import random

import pytest

from cornerman_gateway.delay import FASTEST, SLOWEST, DelayRules, Estimate, Playout


def after(samples: list[float], every_s: float = 3.0) -> tuple[Estimate, float]:
    estimate, now_s = Estimate(), 1000.0
    for sample in samples:
        now_s += every_s
        estimate.observe(sample, now_s)
    return estimate, now_s


def test_delay_before_words_is_assumed() -> None:
    assert Estimate(DelayRules(first_s=0.7)).target_s(5.0) == pytest.approx(0.7)


@pytest.mark.parametrize(("first_s", "max_s", "wanted_s"), [(5.0, 10.0, 5.0), (5.0, 0.0, 0.0), (5.0, 2.0, 2.0)])
def test_delay_is_set_by_the_operator(first_s: float, max_s: float, wanted_s: float) -> None:
    estimate = Estimate(DelayRules(first_s=first_s, max_s=max_s))
    assert estimate.target_s(1.0) == wanted_s
    estimate.observe(50.0, 2.0)
    assert estimate.wanted_s == max_s


def test_mean_follows_samples() -> None:
    estimate, now_s = after([0.6] * 40)
    assert estimate.mean_s == pytest.approx(0.6)
    assert estimate.target_s(now_s) == pytest.approx(0.6, abs=0.02)


def test_unsteady_words_get_a_margin() -> None:
    rng = random.Random(1)
    estimate, early, wanted = Estimate(), 0, []
    for index in range(400):
        sample = rng.uniform(0.4, 1.0)
        early += sample <= estimate.wanted_s
        wanted.append(estimate.wanted_s)
        estimate.observe(sample, 1000.0 + index)
    assert early / 400 > 0.95
    assert sum(wanted) / 400 < 1.2


def test_nonsense_is_left_out() -> None:
    estimate, _ = after([0.5, -3.0, float("nan"), float("inf"), 0.5])
    assert estimate.samples == 2
    assert estimate.mean_s == pytest.approx(0.5)


def test_one_wild_sample_is_clamped() -> None:
    estimate, _ = after([0.5] * 10 + [500.0])
    assert estimate.wanted_s <= estimate.rules.max_s


def test_target_moves_within_its_rates() -> None:
    estimate, now_s = after([0.5] * 30)
    for _ in range(5):
        estimate.observe(4.0, now_s)
    before = estimate.target_s(now_s)
    assert estimate.target_s(now_s + 1.0) - before == pytest.approx(estimate.rules.rise_per_s)
    high = estimate.target_s(now_s + 60.0)
    for _ in range(60):
        estimate.observe(0.5, now_s + 60.0)
    assert high - estimate.target_s(now_s + 61.0) == pytest.approx(estimate.rules.fall_per_s)


def run(playout: Playout, seconds: float, delay_s: float, now_s: float, oldest_s: float, tick_s: float = 0.01) -> float:
    """Ticks on; asserts that the picture never goes back and never jumps."""
    for _ in range(round(seconds / tick_s)):
        before = playout.position_s
        now_s += tick_s
        position = playout.advance(now_s, oldest_s, delay_s)
        if before is not None:
            step = position - before
            assert 0 <= step <= FASTEST * tick_s + 1e-9 or playout.rate in (0.0, 1.0)
            assert step <= FASTEST * tick_s + tick_s
    return now_s


def test_first_picture_waits_for_delay() -> None:
    playout = Playout()
    assert playout.advance(100.0, 100.0, 0.6) == 100.0
    now_s = run(playout, 0.5, 0.6, 100.0, 100.0)
    assert playout.position_s == 100.0
    now_s = run(playout, 2.0, 0.6, now_s, 100.0)
    assert playout.lag_s(now_s) == pytest.approx(0.6, abs=0.02)


def test_longer_delay_plays_slower() -> None:
    playout = Playout()
    now_s = run(playout, 3.0, 0.5, 100.0, 100.0)
    now_s = run(playout, 2.0, 1.5, now_s, 100.0)
    assert playout.rate == SLOWEST
    now_s = run(playout, 12.0, 1.5, now_s, 100.0)
    assert playout.lag_s(now_s) == pytest.approx(1.5, abs=0.02)


def test_excessive_delay_never_reverses_playout() -> None:
    playout = Playout()
    now_s = run(playout, 5.0, 0.5, 100.0, 100.0)
    before = playout.position_s
    assert before == pytest.approx(104.5, abs=0.02)
    # Words took very long, and of the time before 103.0 there are no pictures.
    assert playout.advance(now_s + 0.1, 103.0, 4.0) == pytest.approx(before + 0.1 * SLOWEST)
    assert playout.rate == SLOWEST


def test_shorter_delay_plays_faster() -> None:
    playout = Playout()
    now_s = run(playout, 5.0, 2.0, 100.0, 100.0)
    now_s = run(playout, 2.0, 1.0, now_s, 100.0)
    assert playout.rate == FASTEST
    now_s = run(playout, 14.0, 1.0, now_s, 100.0)
    assert playout.lag_s(now_s) == pytest.approx(1.0, abs=0.02)


def test_no_delay_shows_the_newest() -> None:
    playout = Playout()
    now_s = run(playout, 2.0, 0.0, 100.0, 100.0)
    assert playout.lag_s(now_s) == pytest.approx(0.0, abs=0.02)


def test_clock_jump_restarts_playout() -> None:
    playout = Playout()
    run(playout, 2.0, 0.5, 100.0, 100.0)
    assert playout.advance(5000.0, 4990.0, 0.5) == pytest.approx(4999.5)


def test_equal_delays_show_equal_moments() -> None:
    one, two = Playout(), Playout()
    now_s = run(one, 4.0, 0.8, 100.0, 100.0)
    assert two.advance(now_s, 100.0, 0.8) == pytest.approx(one.position_s or 0.0, abs=0.03)
