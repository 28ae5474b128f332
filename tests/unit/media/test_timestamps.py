"""Media time from raw timestamps, whatever they are."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_media.timestamps import MAX_JUMP_S, NOMINAL_S, TICK_S, TimeRepair, believable_interval

Raw = list[float | None]
WRAP_S = 2**33 / 90_000


def steady(frames: int, fps: float = 30, start_s: float = 0.0) -> Raw:
    return [start_s + index / fps for index in range(frames)]


def repaired(raw: Raw, nominal_s: float = NOMINAL_S) -> list[float]:
    times = TimeRepair(nominal_s)
    return [times.stamp(raw_s) for raw_s in raw]


def test_missing_timestamps_change_nothing() -> None:
    rng = random.Random(1)
    holed: Raw = [None if at and rng.random() < 0.4 else at for at in steady(300)]
    assert repaired(holed) == pytest.approx(steady(300), abs=1e-6)


@pytest.mark.parametrize("raw", [[None] * 60, [7.0] * 60, [math.nan] * 60], ids=["none", "frozen", "nan"])
def test_no_clock_counts_frames(raw: Raw) -> None:
    assert repaired(raw)[-1] == pytest.approx(59 / 30, abs=0.1)
    assert repaired(raw, 0.1)[-1] == pytest.approx(5.9, abs=0.3)


def test_missing_interval_is_learnt() -> None:
    """The container says 30 FPS and the frames come at 10."""
    times = repaired([*steady(40, 10), *[None] * 20])
    assert times == pytest.approx(steady(60, 10), abs=1e-6)


def test_wild_timestamps_change_nothing() -> None:
    whole = steady(300)
    wild: Raw = [(-50.0 if at % 14 == 0 else 1e6) if at and at % 7 == 0 else time_s for at, time_s in enumerate(whole)]
    assert repaired(wild) == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("back_s", [1.0, 5.0, 3600.0, WRAP_S])
def test_reset_continues_one_frame_later(back_s: float) -> None:
    raw = [*steady(30, start_s=back_s), *steady(30, start_s=0.0)]
    times = TimeRepair()
    assert [times.stamp(raw_s) for raw_s in raw] == pytest.approx(steady(60), abs=1e-6)
    assert times.resets == 1


def test_wrapped_clock_is_continuous() -> None:
    raw: Raw = [(WRAP_S - 1 + index / 30) % WRAP_S for index in range(60)]
    assert repaired(raw) == pytest.approx(steady(60), abs=1e-6)


def test_swapped_frames_shift_nothing() -> None:
    times = repaired([0.0, 0.0667, 0.0333, 0.1, 0.1333])
    assert times == pytest.approx([0.0, 0.0667, 0.0667 + TICK_S, 0.1, 0.1333])


def test_long_frame_is_believed() -> None:
    """A time-lapse with a frame every ten minutes says so in each frame."""
    times = TimeRepair(600.0)
    assert [times.stamp(600.0 * index, 600.0) for index in range(5)] == [600.0 * index for index in range(5)]


def test_restart_continues_after_gap() -> None:
    times = TimeRepair()
    times.stamp(100.0)
    times.restart(2.5)
    assert times.stamp(3.0) == pytest.approx(2.5)
    times.restart()
    assert times.stamp(0.0) == pytest.approx(2.5 + NOMINAL_S)


@pytest.mark.parametrize("said_s", [0.0, 1 / 90_000, 1e9, -1.0, math.nan])
def test_absurd_interval_is_not_believed(said_s: float) -> None:
    assert believable_interval(said_s) == NOMINAL_S


RAW = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10, 1000),
    st.integers(0, 3).map(lambda index: index / 30),
)


@given(st.lists(st.tuples(RAW, st.sampled_from([0.0, 0.04, 5.0])), max_size=200), st.floats(1e-6, 100))
def test_time_starts_at_zero_and_rises(raw: list[tuple[float | None, float]], nominal_s: float) -> None:
    times = TimeRepair(nominal_s)
    stamps = [times.stamp(raw_s, duration_s) for raw_s, duration_s in raw]
    assert stamps[:1] in ([], [0.0])
    assert all(later > earlier for earlier, later in pairwise(stamps))
    longest_s = max(times.nominal_s, MAX_JUMP_S)
    assert all(later - earlier <= longest_s * (len(raw) + 1) for earlier, later in pairwise(stamps))
