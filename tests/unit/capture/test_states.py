"""The states of a source, and pacing, in virtual time."""

from __future__ import annotations

import math

import pytest

from cornerman_capture.pacing import Pacer
from cornerman_capture.source_state import REMOTE_TRIES, BrokenError, SourceState
from cornerman_shared.clock import VirtualClock

GONE = BrokenError("gone", final=False)
WRONG = BrokenError("wrong address", final=True)


def test_a_camera_plays_stalls_reconnects_and_plays_again() -> None:
    machine = SourceState(5.0, can_fail=False)
    states = [machine.state]
    machine.frame(100.0)
    states.append(machine.state)
    machine.quiet(105.0)
    states.append(machine.state)
    machine.quiet(105.1)
    states.append(machine.state)
    machine.frame(106.0)
    states.append(machine.state)
    machine.quiet(112.0)
    assert machine.lost(GONE, 112.0)
    states.append(machine.state)
    machine.frame(120.0)
    states.append(machine.state)
    assert states == ["opening", "playing", "playing", "stalled", "playing", "reconnecting", "playing"]
    assert machine.reconnects == 1


def test_a_camera_is_tried_for_ever() -> None:
    machine = SourceState(5.0, can_fail=False)
    assert all(machine.lost(GONE, 3600.0 * hour) for hour in range(1000))
    assert machine.state == "reconnecting"


def test_a_remote_file_is_given_up_after_some_tries_without_a_frame() -> None:
    machine = SourceState(5.0, can_fail=True)
    machine.lost(GONE, 0.0)
    machine.frame(1.0)
    assert [machine.lost(GONE, 2.0) for _ in range(REMOTE_TRIES)] == [True] * (REMOTE_TRIES - 1) + [False]
    assert (machine.state, machine.detail) == ("failed", "gone")


def test_what_cannot_be_healed_is_not_tried_again() -> None:
    machine = SourceState(5.0, can_fail=False)
    assert not machine.lost(WRONG, 0.0)
    assert machine.state == "failed"
    assert machine.over


def test_who_never_gave_a_frame_is_given_up_after_its_time_with_the_last_reason() -> None:
    machine = SourceState(5.0, can_fail=False, give_up_s=15.0)
    assert machine.left_s(100.0) == math.inf
    assert machine.lost(GONE, 100.0)
    assert machine.left_s(110.0) == 5.0
    assert machine.lost(GONE, 114.9)
    assert not machine.lost(GONE, 115.0)
    assert machine.state == "failed"
    assert machine.detail == "gone; given up after 3 tries (watch.give_up_s = 15)"


def test_who_has_given_a_frame_is_waited_for_however_long_it_is_away() -> None:
    machine = SourceState(5.0, can_fail=False, give_up_s=15.0)
    assert machine.lost(GONE, 0.0)
    machine.frame(10.0)
    assert all(machine.lost(GONE, 3600.0 * hour) for hour in range(100))
    assert machine.left_s(1e9) == math.inf


class Waits:
    def __init__(self, clock: VirtualClock, wake: bool = False) -> None:
        self.clock, self.wake, self.slept_s = clock, wake, 0.0

    def __call__(self, seconds: float) -> bool:
        self.slept_s += seconds
        self.clock.advance(seconds)
        return self.wake


def test_frames_come_at_media_speed() -> None:
    clock = VirtualClock()
    waits = Waits(clock)
    pacer = Pacer(clock.monotonic_s, waits)
    began_s = clock.monotonic_s()
    for i in range(60):
        assert not pacer.until(5.0 + i / 30)
        clock.advance(0.004)  # the work on a frame does not add to its time
    assert clock.monotonic_s() - began_s == pytest.approx(59 / 30 + 0.004, abs=1e-4)


def test_after_a_long_stop_the_pacer_does_not_sprint() -> None:
    clock = VirtualClock()
    waits = Waits(clock)
    pacer = Pacer(clock.monotonic_s, waits)
    pacer.until(0.0)
    clock.advance(60.0)
    pacer.until(0.1)
    waits.slept_s = 0.0
    pacer.until(0.2)
    assert waits.slept_s == pytest.approx(0.1, abs=1e-4)


def test_a_pacer_that_is_woken_says_so() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock.monotonic_s, Waits(clock, wake=True))
    assert not pacer.until(0.0)
    assert pacer.until(9.0)
