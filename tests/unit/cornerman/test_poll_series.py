"""Following the events of a polled source, and what the exit code says about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cornerman.local import poll_series
from cornerman.local.poll_run import verdict
from cornerman.local.poll_series import PollSeries
from cornerman.local.run_output import DiscardOutput
from cornerman_shared.bus.messages import Times, WorkerStatus
from cornerman_shared.clock import VirtualClock
from tests.unit.cornerman.events import decision_event, end_event
from tests.unit.cornerman.test_poll_records import record, session

Plan = list[tuple[float, int]]


def series(plan: Plan | None = None, warmup: int = 0) -> PollSeries:
    return PollSeries("cam1", session(), plan or [(3.0, 0)], warmup, DiscardOutput())


def test_questions_are_not_polls() -> None:
    following = series()
    following.on_event(end_event(kind="question"))
    following.on_event(end_event())
    assert [poll.polling_interval for poll in following.session.polls] == [3.0]


def test_warm_up_does_not_count() -> None:
    following = series([(1.0, 2)], warmup=1)
    for n in range(4):
        following.on_event(end_event(text=f"{n}"))
    assert [poll.response for poll in following.session.polls] == ["1", "2"]
    assert following.session.warmup_polls == 1


def test_unencoded_poll_is_a_failure() -> None:
    following = series()
    following.on_event(decision_event(action="next", reason="buried", status="buried", times=Times(decided_at_s=7.0)))
    (poll,) = following.session.polls
    assert (poll.status, poll.timestamp, poll.total_inference_time) == ("failed", 7.0, None)
    assert "encoder" in poll.cause


def test_skipped_polls_are_counted_by_reason() -> None:
    following = series()
    for event in (
        decision_event(action="next", reason="not_due"),
        decision_event(action="next", reason="request_open"),
        decision_event(action="next", reason="lost 3..5", status="expired", n_chunks=3),
        decision_event(action="feedback", reason="interval"),
    ):
        following.on_event(event)
    assert following.session.skipped == {"request_open": 1, "lost": 3}
    assert following.session.polls == []


def test_repeats_keep_praise_apart() -> None:
    following = series()
    for action, text in (("correct", "Hips  down."), ("feedback", "hips down."), ("correct", "HIPS down.")):
        following.on_event(end_event(action=action, text=text))
    following.on_event(end_event(action="correct", text="", status="failed"))
    assert [poll.repeats for poll in following.session.polls] == [None, None, 0, None]


class FakeBus:
    """Stands for a bus in the functions that are replaced."""

    def __init__(self) -> None:
        self.clock = VirtualClock(50.0)


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Changes of the source, in order; pictures and workers are made up."""
    found: list[object] = []

    async def update(bus: object, source_id: str, change: object) -> None:
        found.append(change)

    async def still(bus: object, source_id: str, run: str, pts_s: float, *, width: int) -> bytes | None:
        return f"{run} {pts_s} {width}".encode()

    async def workers(bus: object) -> list[WorkerStatus]:
        detail = {"gpu_allocated_bytes": 5.0, "gpu_reserved_bytes": 6.0, "gpu_peak_bytes": 7.0, "idle_s": 1.0}
        roles = (("encoder", detail), ("generator", detail), ("capture", {}))
        return [
            WorkerStatus(role, "w", 1, "h", "running", 0.0, 0.0, 1, 0, dict(figures), models={"backend": role})
            for role, figures in roles
        ]

    monkeypatch.setattr(poll_series, "update_source", update)
    monkeypatch.setattr(poll_series, "still", still)
    monkeypatch.setattr(poll_series, "list_workers", workers)
    return found


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0)


async def test_intervals_follow_one_another(changes: list[object]) -> None:
    following = series([(1.0, 2), (2.0, 1)])
    directing = asyncio.create_task(following.direct(FakeBus()))  # type: ignore[arg-type]
    for n in range(2):
        following.on_event(end_event(pts_s=float(n)))
    await until(lambda: len(changes) == 1)
    await asyncio.sleep(0)
    following.on_event(end_event(pts_s=2.0, times=Times(50.9, done_at_s=51.5)))  # cut before the change took effect
    following.on_event(end_event(pts_s=9.0))
    await directing
    following.on_event(end_event(pts_s=11.0))  # too late to count
    found = following.session
    assert changes == [{"speak": {"interval_s": 2.0}}]
    assert [poll.polling_interval for poll in found.polls] == [1.0, 1.0, 2.0]
    assert found.thumbnails == {0: b"r1 0.0 200", 1: b"r1 1.0 200", 2: b"r1 9.0 200"}
    assert found.gpu_memory == {"allocated_bytes": 10, "reserved_bytes": 12, "peak_bytes": 14}
    assert found.workers["encoder"] == {"backend": "encoder"}


def test_answered_session_is_a_success() -> None:
    assert verdict(session(record(0), record(1, status="failed", cause="x")), 0, DiscardOutput()) == 0


def test_failed_session_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    bad = [record(n, status="failed", cause=cause) for n, cause in enumerate(("once", "often", "often"))]
    assert verdict(session(*bad), 0, DiscardOutput()) == 70
    assert "every poll failed (3): often" in capsys.readouterr().err
    assert verdict(session(*bad), 66, DiscardOutput()) == 66


def test_session_without_polls_fails(capsys: pytest.CaptureFixture[str]) -> None:
    found = session()
    found.settings = {"window": 4.0}
    assert verdict(found, 0, DiscardOutput()) == 66
    found.captured = 90
    assert verdict(found, 0, DiscardOutput()) == 70
    assert "90 frames came" in capsys.readouterr().err
    assert verdict(found, 0, DiscardOutput(), interrupted=True) == 0
    found.warmup_polls = 2
    assert verdict(found, 0, DiscardOutput()) == 70
    assert "after 2 of --warmup-runs" in capsys.readouterr().err
