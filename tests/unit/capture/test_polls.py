"""When polls are cut and which frames they have, in virtual media time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerman_capture.looks import changed_cutter, look_cutter
from cornerman_capture.polls import PollCutter
from cornerman_common.looks import LookPlan
from cornerman_shared.settings.source import MAX_HELD

PLAN = LookPlan("poll", 30.0, 0, frames=16, window_s=4.0, interval_s=3.0)


def times_of(fps: float, seconds: float, start_s: float = 0.0) -> list[float]:
    return [start_s + number / fps for number in range(round(seconds * fps) + 1)]


def cut(cutter: PollCutter[float], times: Iterable[float]) -> list[tuple[float, ...]]:
    return [look for t in times if cutter.wants(t) and (look := cutter.push(t, t)) is not None]


def polls_of(plan: LookPlan, times: Iterable[float], nominal_s: float = 1 / 30) -> list[tuple[float, ...]]:
    return cut(PollCutter(plan, nominal_s), times)


@pytest.mark.parametrize("fps", [10, 25, 30, 29.97, 60])
@pytest.mark.parametrize("interval_s", [1.0, 3.0, 5.0, 0.7])
def test_polls_come_at_the_interval(interval_s: float, fps: float) -> None:
    """The old way gave polls after 4, 2, 4, 2 seconds for an interval of 3."""
    polls = polls_of(replace(PLAN, interval_s=interval_s), times_of(fps, 60), 1 / fps)
    due = [4.0 + n * interval_s for n in range(int(56 / interval_s + 1e-6) + 1)]
    assert [look[-1] for look in polls] == pytest.approx(due, abs=0.5 / fps + 1e-6)


@pytest.mark.parametrize("window_s", [0.5, 2.0, 4.0, 7.3, 20.0])
@pytest.mark.parametrize("interval_s", [1.0, 3.0, 10.0])
@pytest.mark.parametrize("start_s", [0.0, 1.37])
def test_first_poll_comes_with_full_window(interval_s: float, window_s: float, start_s: float) -> None:
    """It waited for a multiple of the interval: a clip of five seconds had no poll."""
    shape = replace(PLAN, interval_s=interval_s, window_s=window_s)
    polls = polls_of(shape, times_of(30, window_s + 2.5 * interval_s, start_s))
    due = [start_s + window_s + n * interval_s for n in range(3)]
    assert [look[-1] for look in polls] == pytest.approx(due, abs=0.5 / 30 + 1e-6)
    assert polls[0][0] >= start_s


@given(
    st.lists(st.floats(-0.4, 0.4), min_size=400, max_size=400),
    st.sampled_from([10, 25, 30]),
    st.sampled_from([0.5, 1.0, 3.0, 5.0]),
    st.sampled_from([1 / 30, 1 / 10, 1.0, 1 / 240]),
)
@settings(deadline=None, max_examples=40)
def test_uneven_frames_stay_within_one(jitter: list[float], fps: int, interval_s: float, nominal_s: float) -> None:
    """Also where the container says a wrong rate."""
    times = [(n + off) / fps for n, off in enumerate(jitter)]
    times = [one - times[0] for one in times]
    polls = [look[-1] for look in polls_of(replace(PLAN, interval_s=interval_s), times, nominal_s)]
    due = [4.0 + n * interval_s for n in range(999) if 4.0 + n * interval_s < times[-1] - 2 / fps]
    for time_s in due:
        assert min((abs(one - time_s) for one in polls), default=99.0) <= 1.8 / fps
    assert len(polls) <= len(due) + 2


@pytest.mark.parametrize("fps", [10, 25, 30, 60])
def test_frames_are_spread_over_the_window(fps: float) -> None:
    for look in polls_of(PLAN, times_of(fps, 30), 1 / fps):
        end_s = look[-1]
        wanted = [end_s - (15 - n) * 0.25 for n in range(16)]
        assert look == pytest.approx(wanted, abs=0.5 / fps + 1e-6)
        assert len(set(look)) == 16


@pytest.mark.parametrize("sample_fps", [0.5, 1.0, 2.0, 4.0, 30.0])
def test_sampling_cap_never_moves_the_interval(sample_fps: float) -> None:
    """With `--fps 1` polls came after 7 and 15 seconds."""
    polls = polls_of(replace(PLAN, sample_fps=sample_fps), times_of(30, 20))
    assert [look[-1] for look in polls] == pytest.approx([4, 7, 10, 13, 16, 19])
    for look in polls:
        assert len(look) == 16
        assert len(set(look)) == min(16, 4 * sample_fps)
        assert all(b == a or b - a >= 1 / sample_fps - 0.04 for a, b in pairwise(look))


@pytest.mark.parametrize("interval_s", [1.0, 3.0, 8.0])
def test_few_frames_are_converted(interval_s: float) -> None:
    """4 a second are in the polls: of 30, no more than a fifth is converted."""
    cutter: PollCutter[float] = PollCutter(replace(PLAN, interval_s=interval_s), 1 / 30)
    taken = [t for t in times_of(30, 80) if cutter.wants(t) and (cutter.push(t, t) or True)]
    assert 320 <= len(taken) <= 480


def test_slow_source_repeats_its_frames() -> None:
    polls = polls_of(PLAN, times_of(2, 20), 0.5)
    assert [look[-1] for look in polls] == [4, 7, 10, 13, 16, 19]
    assert all(len(look) == 16 and len(set(look)) in (8, 9) for look in polls)


def test_very_slow_source_is_polled() -> None:
    polls = polls_of(PLAN, times_of(0.2, 60), 1 / 30)
    assert [look[-1] for look in polls] == times_of(0.2, 60)[2:]


@pytest.mark.parametrize("frames", [1, 3, 64])
def test_any_number_of_frames(frames: int) -> None:
    polls = polls_of(replace(PLAN, frames=frames), times_of(30, 12))
    assert [len(look) for look in polls] == [frames] * 3
    assert [look[-1] for look in polls] == [4, 7, 10]


def test_short_window_repeats_no_older_frame() -> None:
    for look in polls_of(replace(PLAN, window_s=0.1, frames=8), times_of(30, 9)):
        assert look[0] > look[-1] - 0.1 - 1 / 60
        assert len(set(look)) == 3


def test_interval_below_a_frame_polls_each_frame() -> None:
    polls = polls_of(replace(PLAN, interval_s=0.001), times_of(25, 6), 1 / 25)
    assert [look[-1] for look in polls] == pytest.approx(times_of(25, 6)[100:])


@pytest.mark.parametrize(("window_s", "interval_s"), [(120.0, 0.05), (120.0, 1.0), (4.0, 0.01)])
def test_held_frames_are_bounded(window_s: float, interval_s: float) -> None:
    cutter: PollCutter[float] = PollCutter(replace(PLAN, window_s=window_s, interval_s=interval_s), 1 / 60)
    for look in (cutter.push(t, t) for t in times_of(60, 2 * window_s) if cutter.wants(t)):
        assert look is None or len(look) == 16
        assert len(cutter._held) <= MAX_HELD + 2


def test_gap_empties_the_window() -> None:
    polls = polls_of(PLAN, [*times_of(30, 10), *times_of(30, 10, 20.5)])
    assert [look[-1] for look in polls] == pytest.approx([4, 7, 10, 24.5, 27.5, 30.5], abs=0.02)


def test_small_gap_is_bridged() -> None:
    polls = polls_of(PLAN, [*times_of(30, 10), *times_of(30, 10, 12.0)])
    assert [round(look[-1]) for look in polls] == [4, 7, 10, 13, 16, 19, 22]
    assert all(len(look) == 16 and list(look) == sorted(look) for look in polls)


@given(
    st.lists(st.tuples(st.floats(0.01, 3.0), st.sampled_from(["", "", "", "", "break"])), min_size=1, max_size=200),
    st.sampled_from([0.1, 0.5, 1.0, 3.0, 10.0]),
    st.integers(1, 20),
    st.sampled_from([0.3, 1.0, 4.0]),
)
@settings(deadline=None)
def test_poll_never_spans_a_break(
    steps: list[tuple[float, str]], interval_s: float, frames: int, window_s: float
) -> None:
    cutter: PollCutter[tuple[int, float]] = PollCutter(
        replace(PLAN, interval_s=interval_s, frames=frames, window_s=window_s)
    )
    now_s, piece, last_s = 0.0, 0, 0.0
    began_s = 0.0
    for step_s, broken in steps:
        now_s += step_s
        if broken:
            cutter.clear()
            piece, began_s = piece + 1, now_s
        if not cutter.wants(now_s):
            continue
        look = cutter.push(now_s, (piece, now_s))
        if look is None:
            continue
        assert len(look) == frames
        assert look[-1] == (piece, now_s)
        assert {part for part, _ in look} == {piece}
        assert list(look) == sorted(look)
        assert now_s >= began_s + window_s - 3.0
        assert now_s > last_s
        last_s = now_s


def test_restart_waits_for_full_window() -> None:
    cutter: PollCutter[float] = PollCutter(PLAN)
    assert [look[-1] for look in cut(cutter, times_of(30, 9))] == pytest.approx([4, 7], abs=0.02)
    cutter.clear()
    assert [look[-1] for look in cut(cutter, times_of(30, 10, 11.1))] == pytest.approx([15.1, 18.1, 21.1], abs=0.02)


def test_unread_frame_does_not_lose_the_poll() -> None:
    """A frame that cannot be decoded is not pushed: the next one takes its place."""
    cutter: PollCutter[float] = PollCutter(PLAN)
    polls = [
        look
        for t in times_of(30, 7)
        if cutter.wants(t) and abs(t - 4.0) > 0.001 and (look := cutter.push(t, t)) is not None
    ]
    assert [look[-1] for look in polls] == pytest.approx([4 + 1 / 30, 7])


@pytest.mark.parametrize(("before_s", "after_s"), [(1.0, 10.0), (10.0, 1.0), (3.0, 0.5), (0.5, 3.0), (60.0, 0.3)])
@pytest.mark.parametrize("frames", [4, 16, 64])
def test_changed_interval_holds_at_once(before_s: float, after_s: float, frames: int) -> None:
    cutter = PollCutter[float](replace(PLAN, interval_s=before_s), 1 / 30)
    last_s = cut(cutter, times_of(30, 20.5))[-1][-1]
    changed = changed_cutter(cutter, replace(PLAN, interval_s=after_s, frames=frames), 1 / 30)
    assert isinstance(changed, PollCutter)
    polls = cut(changed, times_of(30, 30, 20.5 + 1 / 30))
    assert polls[0][-1] == pytest.approx(max(20.5 + 1 / 30, last_s + after_s), abs=0.02)
    assert all(len(look) == frames and look[-1] - look[0] == pytest.approx(4 - 4 / frames, abs=0.2) for look in polls)
    ends = [look[-1] for look in polls]
    assert [b - a for a, b in pairwise(ends)] == pytest.approx([after_s] * (len(polls) - 1), abs=0.04)


@pytest.mark.parametrize("change", [{"frames": 4}, {"sample_fps": 2.0}, {"window_s": 2.0}])
def test_other_changes_leave_the_interval_alone(change: dict[str, float]) -> None:
    cutter = PollCutter[float](PLAN, 1 / 30)
    cut(cutter, times_of(30, 11.7))
    polls = cut(changed_cutter(cutter, replace(PLAN, **change), 1 / 30), times_of(30, 12, 11.7 + 1 / 30))  # type: ignore[arg-type]
    assert [look[-1] for look in polls] == pytest.approx([13, 16, 19, 22], abs=0.02)


def test_many_changes_keep_the_last_poll() -> None:
    """A second change before the next poll forgot the last one, and polled at once."""
    cutter = PollCutter[float](PLAN, 1 / 30)
    polls = cut(cutter, times_of(30, 7.5))
    for n in range(6):
        cutter = changed_cutter(cutter, replace(PLAN, frames=4 + n, interval_s=3.0 + n % 2), 1 / 30)  # type: ignore[assignment]
        polls += cut(cutter, [7.5 + (n + 1) / 30])
    polls += cut(cutter, times_of(30, 8, 7.8))
    assert [look[-1] for look in polls] == pytest.approx([4, 7, 11, 15], abs=0.04)


def test_many_changes_keep_the_window() -> None:
    """A few frames of a slow sampling were held; the second change dropped them, and the window filled again."""
    cutter = PollCutter[float](replace(PLAN, sample_fps=0.5), 1 / 30)
    polls = cut(cutter, times_of(30, 8.5))
    for n, frames in enumerate((16, 32, 64), 1):
        cutter = changed_cutter(cutter, replace(PLAN, frames=frames), 1 / 30)  # type: ignore[assignment]
        polls += cut(cutter, [8.5 + n / 30])
    polls += cut(cutter, times_of(30, 5, 8.6 + 1 / 30))
    assert [look[-1] for look in polls] == pytest.approx([4, 7, 10, 13], abs=0.04)


@pytest.mark.parametrize(("window_s", "first_s"), [(2.0, 3.0), (2.95, 3.0), (3.5, 3.5), (8.0, 8.0)])
def test_change_before_the_first_poll(window_s: float, first_s: float) -> None:
    cutter = PollCutter[float](PLAN, 1 / 30)
    assert cut(cutter, times_of(30, 3.0)) == []
    changed = changed_cutter(cutter, replace(PLAN, window_s=window_s), 1 / 30)
    polls = cut(changed, times_of(30, 9, 3.0 + 1 / 30))
    assert [look[-1] for look in polls][:2] == pytest.approx([first_s, first_s + 3], abs=0.04)


def test_longer_window_is_full_first() -> None:
    cutter = PollCutter[float](PLAN, 1 / 30)
    cut(cutter, times_of(30, 10.5))
    polls = cut(changed_cutter(cutter, replace(PLAN, window_s=9.0), 1 / 30), times_of(30, 9, 10.5 + 1 / 30))
    began_s = polls[0][-1] - 9.0
    assert 6.2 <= began_s <= 6.6
    assert [look[-1] - began_s for look in polls] == pytest.approx([9, 12], abs=0.04)


def test_kinds_have_their_cutters() -> None:
    for kind in ("chunk", "poll", "stride"):
        plan = LookPlan(kind, 8.0, 4, frames=8, window_s=4.0, interval_s=1.0)
        assert type(look_cutter(plan)).__name__ == f"{kind.title()}Cutter"
