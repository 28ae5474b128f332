"""Wall and monotonic clock as one injectable object, so that tests run in virtual time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Source of wall and monotonic time."""

    def now_s(self) -> float:
        """Unix time, seconds. Compared between processes, so hosts should run NTP."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; for durations within one process."""


class SystemClock:
    """The clocks of the operating system."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()


class VirtualClock:
    """A clock that moves only by `advance`; both readings advance together."""

    def __init__(self, start_s: float = 1_700_000_000.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Moves both readings forward.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds!r}): a clock cannot go back; give 0 or more")
        self._now_s += seconds
