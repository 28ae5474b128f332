"""Ends the process when its event loop hangs, so that its leases expire and its entries are reclaimed."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from cornerman_shared.process.exit_codes import EXIT_SOFTWARE

TICKS: Final = 10


class StallCounter:
    """Counts the time without a heartbeat. Pure: time is an argument.

    Time in which the whole process was suspended (SIGSTOP, a laptop's sleep) is not counted.

    Args:
        limit_s: a stall is this long without a heartbeat, seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.tick_s = limit_s / TICKS
        self._stalled_s = 0.0
        self._last_count = -1

    def tick(self, heartbeats: int, elapsed_s: float) -> bool:
        """Updates the count; returns whether the loop has stalled.

        Args:
            heartbeats: total number so far.
            elapsed_s: since the previous tick, seconds.
        """
        # The watchdog's own thread was late too, so the process was suspended rather than its loop blocked.
        suspended = elapsed_s > 3 * self.tick_s + 1.0
        if heartbeats != self._last_count or suspended:
            self._last_count = heartbeats
            self._stalled_s = 0.0
            return False
        self._stalled_s += elapsed_s
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
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        ticked_at_s = time.monotonic()
        while not self._stopped.wait(self._counter.tick_s):
            now_s = time.monotonic()
            stalled = self._counter.tick(self._heartbeats, now_s - ticked_at_s)
            ticked_at_s = now_s
            if stalled:
                self._on_stall(self._counter.limit_s)
                return


def _die(limit_s: float) -> None:
    sys.stderr.write(f"watchdog: the event loop has not moved for {limit_s:g} s; all stacks follow; exit 70\n")
    faulthandler.dump_traceback(all_threads=True)
    sys.stderr.flush()
    # Not sys.exit: it would raise in this thread only.
    os._exit(EXIT_SOFTWARE)
