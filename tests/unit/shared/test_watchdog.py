"""The watchdog detects a hanging loop and ignores a suspended process."""

import threading
import time

import pytest

from cornerman_shared.process import watchdog as module
from cornerman_shared.process.watchdog import TICKS, StallCounter, Watchdog, queued_for_s


def test_no_heartbeat_is_a_stall() -> None:
    counter = StallCounter(10.0)
    counter.tick(heartbeats=1, elapsed_s=1.0)
    answers = [counter.tick(heartbeats=1, elapsed_s=1.0) for _ in range(TICKS)]
    assert answers == [False] * (TICKS - 1) + [True]


def test_heartbeats_prevent_a_stall() -> None:
    counter = StallCounter(10.0)
    assert not any(counter.tick(heartbeats=n, elapsed_s=1.0) for n in range(100))


def test_heartbeat_restarts_the_count() -> None:
    counter = StallCounter(10.0)
    for _ in range(9):
        counter.tick(heartbeats=1, elapsed_s=1.0)
    counter.tick(heartbeats=2, elapsed_s=1.0)
    assert not any(counter.tick(heartbeats=2, elapsed_s=1.0) for _ in range(9))


def test_suspended_time_does_not_count() -> None:
    counter = StallCounter(10.0)
    counter.tick(heartbeats=1, elapsed_s=1.0)
    assert not counter.tick(heartbeats=1, elapsed_s=3600.0)
    assert not counter.tick(heartbeats=1, elapsed_s=1.0)


def test_time_without_a_processor_does_not_count() -> None:
    """A gateway that imported its routes for 30 s on a host under load 40 ended with 70."""
    counter = StallCounter(10.0)
    counter.tick(heartbeats=1, elapsed_s=1.0)
    assert not any(counter.tick(heartbeats=1, elapsed_s=1.0, starved_s=0.95) for _ in range(190))
    assert any(counter.tick(heartbeats=1, elapsed_s=1.0, starved_s=0.0) for _ in range(TICKS))


def test_starved_loop_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled, fed = threading.Event(), threading.Event()
    asked: list[int] = []
    waited_s = 0.0

    def queued(thread: int) -> float:
        nonlocal waited_s
        asked.append(thread)
        waited_s = waited_s if fed.is_set() else time.monotonic()
        return waited_s

    monkeypatch.setattr(module, "queued_for_s", queued)
    watchdog = Watchdog(0.1, lambda limit_s: stalled.set())
    watchdog.start()
    while len(asked) < 4 * TICKS:
        time.sleep(0.01)
    assert not stalled.is_set()
    fed.set()
    assert stalled.wait(60.0)
    watchdog.stop()
    assert set(asked) == {threading.get_native_id()}


def test_queue_of_a_thread_is_read() -> None:
    assert queued_for_s(threading.get_native_id()) >= 0.0
    assert queued_for_s(2**31 - 1) == 0.0


def test_thread_reports_a_stall_once() -> None:
    stalled = threading.Event()
    seen: list[float] = []

    def on_stall(limit_s: float) -> None:
        seen.append(limit_s)
        stalled.set()

    watchdog = Watchdog(0.1, on_stall)
    watchdog.start()
    assert stalled.wait(60.0)
    watchdog.stop()
    assert seen == [0.1]


def test_interval_is_below_the_limit() -> None:
    assert Watchdog(0.5).interval_s <= 0.05
    assert Watchdog(300.0).interval_s == 1.0
