"""Recordings to teach from: bounded in time and memory, one run each, times from their first frame."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pytest

from cornerman_gateway import recording as module
from cornerman_gateway.exercises import good_from
from cornerman_gateway.recording import PoseRecording, Recordings
from cornerman_pose.taught.learning import MOST_S
from cornerman_shared.bus.messages import Features, Times
from cornerman_shared.errors import RetryableError
from tests.unit.gateway.takes import features_of
from tests.unit.pose.moves import take


def fresh(until_s: float = 100.0) -> PoseRecording:
    return PoseRecording("0" * 16, "cam", 0.0, until_s)


def chunk(at_s: float, **changes: object) -> Features:
    return replace(next(features_of(take(2), from_s=at_s)), seq=int(at_s * 4), **changes)  # type: ignore[arg-type]


def test_exercise_is_learned_from_chunks() -> None:
    recording = fresh()
    # A camera that has run for a month.
    assert all(recording.take(features) for features in features_of(take(5), from_s=2_600_000.0))
    assert recording.frames == recording.with_person
    assert recording.seconds == pytest.approx((recording.frames - 1) / 8)
    exercise, seen, doubts = good_from(recording, "arm_raise", "", 5)
    assert doubts == ()
    assert (exercise.title, exercise.good.repetitions) == ("arm raise", 5)
    assert seen.startswith("5 good repetitions of ")


def test_order_of_encoders_does_not_matter() -> None:
    there = list(features_of(take(5)))
    ordered, mixed = fresh(), fresh()
    for features in there:
        ordered.take(features)
    # Two encoders, and one that was delivered again.
    for features in (there[0], there[2], there[1], there[1], *there[4:2:-1], *there[5:]):
        assert mixed.take(features)
    assert [each.frame_pts_s for each in mixed.chunks] == [each.frame_pts_s for each in ordered.chunks]
    assert (mixed.frames, mixed.with_person, mixed.seconds) == (ordered.frames, ordered.with_person, ordered.seconds)
    assert good_from(mixed, "arm_raise", "", 5)[1] == good_from(ordered, "arm_raise", "", 5)[1]


def test_media_time_is_bounded() -> None:
    recording, at_s = fresh(), 50.0
    while recording.take(chunk(at_s)):
        at_s += 0.75
    assert module.MOST_S == MOST_S  # a longer recording could not be learned from
    assert MOST_S - 2 < recording.seconds <= MOST_S


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    one = chunk(0.0)
    assert one.people is not None
    monkeypatch.setattr(module, "MOST_BYTES", 3 * one.people.nbytes)
    recording = fresh()
    assert [recording.take(chunk(float(at_s))) for at_s in range(4)] == [True, True, True, False]
    assert len(recording.chunks) == 3


def test_other_run_ends_recording() -> None:
    recording = fresh()
    assert recording.take(chunk(5.0))
    assert not recording.take(chunk(0.0, run="next"))
    assert "record again" in recording.problem and len(recording.chunks) == 1


def test_frames_after_the_end_close_it() -> None:
    recording = fresh(until_s=10.0)
    assert recording.take(chunk(0.0, times=Times(9.0)))
    assert not recording.take(chunk(1.0, times=Times(10.0)))
    assert not fresh(10.0).take(chunk(1.0, times=Times(11.0), people=None))
    assert fresh(10.0).take(chunk(1.0, frame_pts_s=(), times=Times(9.0)))


async def test_outage_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    warning = Mock()
    monkeypatch.setattr(module.log, "warning", warning)
    monkeypatch.setattr(module, "POLL_S", 0.0)
    read = AsyncMock(side_effect=[*[RetryableError("away")] * 5, [], RetryableError("away"), *[[]] * 9])
    times = iter(range(9))
    bus = SimpleNamespace(clock=SimpleNamespace(now_s=lambda: float(next(times))))
    await Recordings(bus, Mock())._follow(fresh(until_s=6.0), SimpleNamespace(read=read))  # type: ignore[arg-type]
    assert warning.call_count == 2 and read.call_count == 8
