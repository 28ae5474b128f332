"""Ends the process when its event loop stands still. A process that hangs holds leases and work; one that is
dead does not."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

EXIT_SOFTWARE: Final = 70

TICKS: Final = 10


class StallCounter:
    """Pure part: counts how long nothing has moved, and forgives the time in which the whole process was
    stopped.

    After SIGSTOP and SIGCONT, or a laptop's sleep, the clock has jumped but the loop did nothing wrong.

    Args:
        limit_s: standing still for this long is a stall.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.tick_s = limit_s / TICKS
        self._still_s = 0.0
        self._seen = -1

    def tick(self, beats: int, elapsed_s: float) -> bool:
        """One look. `beats`: how often the loop has moved so far; `elapsed_s`: since the look before. True =
        stalled."""
        suspended = elapsed_s > 3 * self.tick_s + 1.0
        if beats != self._seen or suspended:
            self._seen = beats
            self._still_s = 0.0
            return False
        self._still_s += elapsed_s
        return self._still_s >= self.limit_s


class Watchdog:
    """A thread that expects `beat()` from the event loop.

    Args:
        limit_s: no beat for this long ends the process.
        on_stall: called with the seconds of the stall; by default says where every thread is and exits with
            70.
    """

    def __init__(self, limit_s: float, on_stall: Callable[[float], None] | None = None) -> None:
        self._counter = StallCounter(limit_s)
        self._on_stall = on_stall or _die
        self._beats = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    @property
    def beat_every_s(self) -> float:
        """How often the loop should beat, seconds."""
        return min(1.0, self._counter.tick_s)

    def beat(self) -> None:
        self._beats += 1

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        looked_at_s = time.monotonic()
        while not self._stopped.wait(self._counter.tick_s):
            now_s = time.monotonic()
            stalled = self._counter.tick(self._beats, now_s - looked_at_s)
            looked_at_s = now_s
            if stalled:
                self._on_stall(self._counter.limit_s)
                return


def _die(limit_s: float) -> None:
    sys.stderr.write(
        f"watchdog: the event loop has not moved for {limit_s:g} s; every thread's place follows; exit 70\n"
    )
    faulthandler.dump_traceback(all_threads=True)
    sys.stderr.flush()
    os._exit(EXIT_SOFTWARE)
