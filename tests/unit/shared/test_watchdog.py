"""The watchdog detects a hanging loop and ignores a suspended process."""

import threading

from cornerman_shared.process.watchdog import TICKS, StallCounter, Watchdog


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
