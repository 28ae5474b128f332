"""Wall and monotonic clock as one injectable object, so that tests run in virtual time.

Times that two processes compare are read from a `ServerClock`: wall clocks of machines differ.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Source of wall and monotonic time."""

    def now_s(self) -> float:
        """Unix time, seconds."""

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


class ServerClock:
    """The Redis server's unix time, continued on the monotonic clock of this machine.

    Until the first measurement it reads the wall clock. A step of the wall clock does not move it afterwards.

    Args:
        own: the clocks of this machine.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._offset_s: float | None = None  # the server's unix time minus our monotonic time

    @property
    def skew_s(self) -> float:
        """How far the wall clock of this machine is ahead of the server's, seconds; 0.0 before a measurement."""
        return self._own.now_s() - self.now_s()

    def now_s(self) -> float:
        offset_s = self._offset_s  # read once: capture calls this from its decoding thread
        return self._own.now_s() if offset_s is None else self._own.monotonic_s() + offset_s

    def monotonic_s(self) -> float:
        return self._own.monotonic_s()

    def observe(self, server_s: float, sent_s: float, received_s: float) -> None:
        """Takes a measurement: the server read `server_s` at a time between `sent_s` and `received_s`.

        The offset moves only as far as the measurement requires, so that a slow answer does not move it.

        Args:
            server_s: the server's unix time, seconds.
            sent_s: monotonic time before the question.
            received_s: monotonic time after the answer.
        """
        least_s, most_s = server_s - received_s, server_s - sent_s
        offset_s = self._offset_s
        self._offset_s = (least_s + most_s) / 2 if offset_s is None else min(max(offset_s, least_s), most_s)
