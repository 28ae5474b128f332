"""The clock of a camera against the wall."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from cornerman_media.clock import WINDOW_S, ClockWatch

FPS = 30


def watched(
    factor: float, seconds: float = 20.0, jitter_s: float = 0.0
) -> tuple[ClockWatch, list[tuple[float, float]]]:
    """(arrival, time to go by) of a camera whose clock runs `factor` times as fast as the wall's."""
    rng = random.Random(3)
    watch, out = ClockWatch(), []
    arrived_s = 0.0
    for index in range(round(seconds * FPS)):
        arrived_s = max(arrived_s, 100 + index / FPS + rng.uniform(0, jitter_s))
        given = watch.see(7000 + index / FPS * factor, arrived_s)
        assert given is not None
        out.append((arrived_s, given))
    return watch, out


@pytest.mark.parametrize("factor", [1.0, 0.8, 1.2, 1.001])
def test_right_clock_is_left_alone(factor: float) -> None:
    watch, out = watched(factor, jitter_s=0.3)
    assert (watch.pace, watch.note) == ("right", "")
    assert out[-1][1] == pytest.approx(7000 + (20 - 1 / FPS) * factor)


@pytest.mark.parametrize(
    ("factor", "pace", "note"),
    [
        (0.1, "slow", "about 10 times too slow"),
        (10, "fast", "about 10 times too fast"),
        (0.5, "slow", "about 2.0 times"),
        (0.0, "slow", "stands still"),
    ],
)
def test_wrong_clock_goes_by_arrival(factor: float, pace: str, note: str) -> None:
    watch, out = watched(factor, jitter_s=0.02)
    assert watch.pace == pace and note in watch.note
    later = [(at, given) for at, given in out if at > 100 + WINDOW_S + 1]
    assert later[-1][1] - later[0][1] == pytest.approx(later[-1][0] - later[0][0], abs=1e-6)


def test_time_never_jumps_back() -> None:
    _, out = watched(0.1)
    assert all(later[1] >= earlier[1] for earlier, later in pairwise(out))
    assert max(later[1] - earlier[1] for earlier, later in pairwise(out)) < 0.1


def test_clock_that_recovers_is_used_again() -> None:
    watch = ClockWatch()
    raw_s, given = 0.0, []
    for index in range(60 * FPS):
        raw_s += (10 if index < 10 * FPS else 1) / FPS
        given.append(watch.see(raw_s, index / FPS))
    assert watch.pace == "right"
    assert all(0 < (later or 0) - (earlier or 0) < 0.4 for earlier, later in pairwise(given))


def test_burst_at_connect_is_not_fast() -> None:
    """A server sends the last two seconds at once, then goes on live."""
    watch = ClockWatch()
    for index in range(15 * FPS):
        watch.see(index / FPS, max(0.0, index / FPS - 2.0))
    assert watch.pace == "right"


@pytest.mark.parametrize("raw_after", [lambda at: at + 7 * 3600, lambda at: at - 4.0, lambda at: at])
def test_jump_or_silence_says_nothing(raw_after) -> None:  # type: ignore[no-untyped-def]
    watch = ClockWatch()
    for index in range(20 * FPS):
        at = index / FPS
        late_s = 60.0 if at > 8 else 0.0
        watch.see(at if at < 8 else raw_after(at), at + late_s)
        assert watch.pace == "right"


def test_missing_timestamps_stay_missing() -> None:
    watch = ClockWatch()
    assert [watch.see(None, at / FPS) for at in range(300)] == [None] * 300


def test_restart_keeps_the_verdict() -> None:
    watch, _ = watched(10)
    watch.restart()
    assert watch.by_arrival
    assert watch.see(0.0, 500.0) == 500.0
