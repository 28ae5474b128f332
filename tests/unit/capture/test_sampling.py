"""Media time and sampling, for timestamps of any quality."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_capture.core import Chunker
from cornerman_capture.looks import look_cutter
from cornerman_capture.sampling import FrameSampler
from cornerman_common.looks import LookPlan
from cornerman_media.timestamps import MAX_JUMP_S, NOMINAL_S, TICK_S, TimeRepair, believable_interval


def sampled_times(times_s: list[float | None], fps: float = 8.0, nominal_s: float = NOMINAL_S) -> list[float]:
    timeline, sampler = TimeRepair(nominal_s), FrameSampler(fps, nominal_s)
    return [time_s for raw_s in times_s if sampler.wants(time_s := timeline.stamp(raw_s))]


def steady(fps: float, seconds: float) -> list[float | None]:
    return [i / fps for i in range(round(fps * seconds))]


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 30, 50, 60000 / 1001, 60, 120])
def test_frame_rates_sample_equal_moments(fps: float) -> None:
    times = sampled_times(steady(fps, 10), nominal_s=1 / fps)
    assert len(times) in (80, 81)  # a frame may lie within half a frame of the tick at 10 s
    for tick, time_s in enumerate(times):
        assert abs(time_s - tick / 8) <= 0.5 / fps + 1e-6


@pytest.mark.parametrize("fps", [5, 8])
def test_slow_source_loses_no_frame(fps: float) -> None:
    rng = random.Random(fps)
    times = [i / fps + rng.uniform(-0.2, 0.2) / 8 for i in range(100)]
    assert len(sampled_times([t - times[0] for t in times], nominal_s=1 / fps)) == 100


def test_gaps_are_not_filled() -> None:
    times = sampled_times([0.0, 0.1, 0.2, 60.0, 60.03, 60.2])
    assert [t for t in times if t >= 60] == [60.0, 60.2]


def test_missing_timestamps_change_nothing() -> None:
    whole = steady(30, 10)
    rng = random.Random(1)
    holed = [None if i and rng.random() < 0.4 else t for i, t in enumerate(whole)]
    assert sampled_times(holed) == pytest.approx(sampled_times(whole), abs=1e-6)


def test_missing_timestamps_use_nominal_rate() -> None:
    assert sampled_times([None] * 300) == pytest.approx(sampled_times(steady(30, 10)), abs=1e-6)


def test_constant_timestamps_are_ignored() -> None:
    assert sampled_times([7.0] * 300) == pytest.approx(sampled_times(steady(30, 10)), abs=1e-6)


def test_single_outliers_change_nothing() -> None:
    whole = steady(30, 10)
    wild: list[float | None] = [(-50.0 if i % 14 == 0 else 1e6) if i and i % 7 == 0 else t for i, t in enumerate(whole)]
    assert sampled_times(wild) == pytest.approx(sampled_times(whole), abs=1e-6)


def test_reset_clock_continues_media_time() -> None:
    timeline = TimeRepair(1 / 30)
    times = [timeline.stamp(raw_s) for raw_s in [*steady(30, 2), *steady(30, 2)]]
    assert times == pytest.approx([i / 30 for i in range(120)], abs=1e-6)


def test_swapped_frames_shift_nothing() -> None:
    timeline = TimeRepair(1 / 30)
    times = [timeline.stamp(raw_s) for raw_s in (0.0, 0.0667, 0.0333, 0.1, 0.1333)]
    assert times == pytest.approx([0.0, 0.0667, 0.0667 + TICK_S, 0.1, 0.1333])


def test_overstated_rate_is_corrected() -> None:
    timeline = TimeRepair(0.1)  # states 10 FPS, has 30
    raw: list[float | None] = [*([None] * 5), *[5 / 30 + i / 30 for i in range(300)]]
    times = [timeline.stamp(raw_s) for raw_s in raw]
    assert times[-1] - times[-100] == pytest.approx(99 / 30, abs=0.01)


def test_restart_advances_by_the_gap() -> None:
    timeline = TimeRepair(1 / 30)
    timeline.stamp(100.0)
    timeline.restart(2.5)
    assert timeline.stamp(3.0) == pytest.approx(2.5)
    assert timeline.stamp(3.1) == pytest.approx(2.6)


def test_loop_joins_without_gap() -> None:
    timeline = TimeRepair(1 / 30)
    times = []
    for _ in range(3):
        times += [timeline.stamp(raw_s) for raw_s in steady(30, 1)]
        timeline.restart()
    assert times == pytest.approx([i / 30 for i in range(90)])


RAW = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10, 1000),
    st.integers(0, 3).map(lambda i: i / 30),
)


@given(st.lists(RAW, max_size=200), st.floats(1e-6, 100))
def test_media_time_strictly_rises_from_zero(raw: list[float | None], nominal_s: float) -> None:
    timeline = TimeRepair(nominal_s)
    times = [timeline.stamp(raw_s) for raw_s in raw]
    assert all(b > a for a, b in pairwise(times))
    assert all(b - a <= MAX_JUMP_S + len(raw) * timeline.nominal_s for a, b in pairwise(times))
    if times:
        assert times[0] == 0.0


@given(st.lists(st.floats(0.001, 3.0), min_size=1, max_size=300), st.floats(0.5, 60))
def test_samples_are_no_denser_than_grid(steps: list[float], fps: float) -> None:
    times, now_s = [], 0.0
    for step in steps:
        times.append(now_s)
        now_s += step
    sampler = FrameSampler(fps, 1 / 30)
    kept = [t for t in times if sampler.wants(t)]
    assert kept[0] == 0.0
    # n samples belong to n different ticks
    assert len(kept) <= (kept[-1] - kept[0]) * fps + 1 + 0.25 + 1e-3


@given(st.lists(st.floats(0.001, 0.1), min_size=100, max_size=400))
def test_uneven_frames_fill_every_tick(steps: list[float]) -> None:
    """Frames at most 0.1 s apart hold at least one for each tick of 0.25 s."""
    times, now_s = [], 0.0
    for step in steps:
        times.append(now_s)
        now_s += step
    sampler = FrameSampler(4.0, 1 / 30)
    kept = [t for t in times if sampler.wants(t)]
    assert all(b - a < 0.25 + 0.1 + 1 / 30 for a, b in pairwise(kept))


@pytest.mark.parametrize("said", [0.0, 1 / 90000, 1e9, -1.0, float("nan")])
def test_absurd_frame_interval_is_ignored(said: float) -> None:
    assert believable_interval(said) == NOMINAL_S


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_invalid_sample_rate_is_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="sample_fps"):
        FrameSampler(fps)


@pytest.mark.parametrize("overlap", range(8))
def test_frame_rates_give_equal_chunks(overlap: int) -> None:
    import numpy as np

    picture = np.zeros((4, 4, 3), np.uint8)

    def chunks(fps: float) -> list[tuple[float, ...]]:
        chunker = Chunker(look_cutter(LookPlan("chunk", 8.0, overlap), 1 / fps), 1 / fps)
        found = []
        for raw_s in steady(fps, 12):
            pts_s, wanted = chunker.stamp(raw_s)
            chunk = chunker.push(pts_s, picture) if wanted else None
            if chunk:
                found.append(chunk.frame_pts_s)
        return found

    reference = chunks(60)
    assert len(reference) > 8
    for fps in (25, 30000 / 1001, 30, 50):
        other = chunks(fps)
        assert abs(len(other) - len(reference)) <= 1
        for ours, theirs in zip(other, reference, strict=False):
            assert ours == pytest.approx(theirs, abs=0.5 / fps + 0.5 / 60 + 1e-6)
