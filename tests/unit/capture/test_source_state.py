"""The states of a source, and pacing, in virtual time."""

from __future__ import annotations

import math

import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.pacing import Pacer
from cornerman_capture.source_state import SourceState
from cornerman_media.finality import REMOTE_TRIES, Fault
from cornerman_shared.clock import VirtualClock

GONE = BrokenError("gone", final=False)
WRONG = BrokenError("wrong address", final=True)


def test_camera_stalls_and_reconnects() -> None:
    state = SourceState(5.0, can_fail=False)
    states = [state.name]
    state.on_frame(100.0)
    states.append(state.name)
    state.check_stall(105.0)
    states.append(state.name)
    state.check_stall(105.1)
    states.append(state.name)
    state.on_frame(106.0)
    states.append(state.name)
    state.check_stall(112.0)
    assert state.on_error(GONE, 112.0)
    states.append(state.name)
    state.on_frame(120.0)
    states.append(state.name)
    assert states == ["opening", "playing", "playing", "stalled", "playing", "reconnecting", "playing"]
    assert state.reconnects == 1


def test_camera_is_retried_without_limit() -> None:
    state = SourceState(5.0, can_fail=False)
    assert all(state.on_error(GONE, 3600.0 * hour) for hour in range(1000))
    assert state.name == "reconnecting"


def test_remote_file_fails_after_attempts() -> None:
    state = SourceState(5.0, can_fail=True)
    state.on_error(GONE, 0.0)
    state.on_frame(1.0)
    assert [state.on_error(GONE, 2.0) for _ in range(REMOTE_TRIES)] == [True] * (REMOTE_TRIES - 1) + [False]
    assert (state.name, state.detail) == ("failed", "gone; given up after 3 tries in a row without a frame")


def test_final_error_is_not_retried() -> None:
    state = SourceState(5.0, can_fail=False)
    assert not state.on_error(WRONG, 0.0)
    assert state.name == "failed"
    assert state.over


@pytest.mark.parametrize("fault", ["refused", "not_video"])
def test_played_camera_survives_a_refusal(fault: Fault) -> None:
    """Cameras answer 401 or 404 while they boot."""
    refusal = BrokenError("401", final=True, fault=fault)
    state = SourceState(5.0, can_fail=False, give_up_s=15.0)
    state.on_frame(1.0)
    assert all(state.on_error(refusal, 3600.0 * hour) for hour in range(100))
    assert (state.name, state.detail) == ("reconnecting", "401; it has played before, so it is tried again")
    assert not SourceState(5.0, can_fail=False).on_error(refusal, 1.0), "one that never played"


def test_remark_stays_while_playing() -> None:
    state = SourceState(5.0, can_fail=False)
    state.remark("slow clock")
    assert (state.name, state.detail) == ("opening", "")
    state.on_frame(1.0)
    assert (state.name, state.detail) == ("playing", "slow clock")
    state.check_stall(10.0)
    state.on_frame(11.0)
    assert state.detail == "slow clock"
    state.remark("")
    assert (state.name, state.detail) == ("playing", "")


def test_give_up_keeps_the_last_reason() -> None:
    state = SourceState(5.0, can_fail=False, give_up_s=15.0)
    assert state.time_left_s(100.0) == math.inf
    assert state.on_error(GONE, 100.0)
    assert state.time_left_s(110.0) == 5.0
    assert state.on_error(GONE, 114.9)
    assert not state.on_error(GONE, 115.0)
    assert state.name == "failed"
    assert state.detail == "gone; given up after 3 tries (watch.give_up_s = 15)"


def test_played_source_never_gives_up() -> None:
    state = SourceState(5.0, can_fail=False, give_up_s=15.0)
    assert state.on_error(GONE, 0.0)
    state.on_frame(10.0)
    assert all(state.on_error(GONE, 3600.0 * hour) for hour in range(100))
    assert state.time_left_s(1e9) == math.inf


class Waits:
    def __init__(self, clock: VirtualClock, wake: bool = False) -> None:
        self.clock, self.wake, self.slept_s = clock, wake, 0.0

    def __call__(self, seconds: float) -> bool:
        self.slept_s += seconds
        self.clock.advance(seconds)
        return self.wake


def test_frames_are_paced_at_media_speed() -> None:
    clock = VirtualClock()
    waits = Waits(clock)
    pacer = Pacer(clock.monotonic_s, waits)
    began_s = clock.monotonic_s()
    for i in range(60):
        assert not pacer.wait_until(5.0 + i / 30)
        clock.advance(0.004)  # the work on a frame does not add to its time
    assert clock.monotonic_s() - began_s == pytest.approx(59 / 30 + 0.004, abs=1e-4)


def test_late_pacer_does_not_catch_up() -> None:
    clock = VirtualClock()
    waits = Waits(clock)
    pacer = Pacer(clock.monotonic_s, waits)
    pacer.wait_until(0.0)
    clock.advance(60.0)
    pacer.wait_until(0.1)
    waits.slept_s = 0.0
    pacer.wait_until(0.2)
    assert waits.slept_s == pytest.approx(0.1, abs=1e-4)


def test_interrupted_pacer_returns_true() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock.monotonic_s, Waits(clock, wake=True))
    assert not pacer.wait_until(0.0)
    assert pacer.wait_until(9.0)
