"""Paces frames at media speed. Clock and wait are arguments, so that tests do not sleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LATE_S: Final = 1.0
"""A frame later than this (slow disk, suspended process) moves the anchor, instead of playing fast to catch up."""


class Pacer:
    """Maps media time to the clock, anchored at the first frame.

    Args:
        monotonic_s: reads the clock, seconds.
        wait: waits up to a number of seconds; returns True if interrupted.
    """

    def __init__(self, monotonic_s: Callable[[], float], wait: Callable[[float], bool]) -> None:
        self._monotonic_s = monotonic_s
        self._wait = wait
        self._zero_s: float | None = None  # clock reading of media time 0

    def wait_until(self, pts_s: float) -> bool:
        """Waits until the frame is due; returns True if interrupted before."""
        now_s = self._monotonic_s()
        if self._zero_s is None or now_s - (self._zero_s + pts_s) > LATE_S:
            self._zero_s = now_s - pts_s
        ahead_s = self._zero_s + pts_s - now_s
        return self._wait(ahead_s) if ahead_s > 0 else False

    def restart(self) -> None:
        """Makes the next frame due at once; call it after a pause, a reconnect or skipped frames."""
        self._zero_s = None
