"""Ends the process when its event loop hangs, so that its leases expire and its entries are reclaimed."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cornerman_shared.process.exit_codes import EXIT_SOFTWARE

TICKS: Final = 10


class StallCounter:
    """Counts the time without a heartbeat. Pure: time is an argument.

    Time in which the whole process was suspended (SIGSTOP, a laptop's sleep), or in which the loop could run and got no
    processor, is not counted: a starved host is not a reason to end.

    Args:
        limit_s: a stall is this long without a heartbeat, seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.tick_s = limit_s / TICKS
        self._stalled_s = 0.0
        self._last_count = -1

    def tick(self, heartbeats: int, elapsed_s: float, starved_s: float = 0.0) -> bool:
        """Updates the count; returns whether the loop has stalled.

        Args:
            heartbeats: total number so far.
            elapsed_s: since the previous tick, seconds.
            starved_s: part of it in which the loop's thread waited for a processor, seconds.
        """
        # The watchdog's own thread was late too, so the process was suspended rather than its loop blocked.
        suspended = elapsed_s > 3 * self.tick_s + 1.0
        if heartbeats != self._last_count or suspended:
            self._last_count = heartbeats
            self._stalled_s = 0.0
            return False
        self._stalled_s += max(0.0, elapsed_s - starved_s)
        return self._stalled_s >= self.limit_s


class Watchdog:
    """Thread that expects `heartbeat()` calls from the event loop.

    Args:
        limit_s: the process ends after this long without a heartbeat, seconds.
        on_stall: called with `limit_s`; default: dump all stacks and exit with 70.
    """

    def __init__(self, limit_s: float, on_stall: Callable[[float], None] | None = None) -> None:
        self._counter = StallCounter(limit_s)
        self._on_stall = on_stall or _die
        self._heartbeats = 0
        self._loop_thread = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    @property
    def interval_s(self) -> float:
        """Time between two heartbeats, seconds."""
        return min(1.0, self._counter.tick_s)

    def heartbeat(self) -> None:
        """Called by the event loop every `interval_s`."""
        self._heartbeats += 1

    def start(self) -> None:
        """Starts to watch the thread that calls it."""
        self._loop_thread = threading.get_native_id()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        ticked_at_s, queued_s = time.monotonic(), queued_for_s(self._loop_thread)
        while not self._stopped.wait(self._counter.tick_s):
            now_s, now_queued_s = time.monotonic(), queued_for_s(self._loop_thread)
            stalled = self._counter.tick(self._heartbeats, now_s - ticked_at_s, now_queued_s - queued_s)
            ticked_at_s, queued_s = now_s, now_queued_s
            if stalled:
                self._on_stall(self._counter.limit_s)
                return


def queued_for_s(thread: int) -> float:
    """How long a thread of this process has waited for a processor so far, seconds; 0.0 where the system does not say.

    Args:
        thread: its number from `threading.get_native_id`.
    """
    try:
        # Time on a processor, time in the queue for one, both in nanoseconds, and the number of turns.
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _die(limit_s: float) -> None:
    sys.stderr.write(f"watchdog: the event loop has not moved for {limit_s:g} s; all stacks follow; exit 70\n")
    faulthandler.dump_traceback(all_threads=True)
    sys.stderr.flush()
    # Not sys.exit: it would raise in this thread only.
    os._exit(EXIT_SOFTWARE)
