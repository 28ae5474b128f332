"""Plays media at its own speed: waits until a frame's time has come. Clock and wait are given; tests do not sleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LATE_S: Final = 1.0
"""Later than this (a slow disk, a stopped process) the pacer does not sprint to catch up; it goes on from here."""


class Pacer:
    """Maps media time to the clock, anchored at the first frame.

    Args:
        monotonic_s: the clock.
        wait: waits up to so many seconds; True = stop waiting, somebody wants us.
    """

    def __init__(self, monotonic_s: Callable[[], float], wait: Callable[[float], bool]) -> None:
        self._monotonic_s = monotonic_s
        self._wait = wait
        self._zero_s: float | None = None  # clock reading of media time 0

    def until(self, pts_s: float) -> bool:
        """Returns when the frame is due. True = woken before its time."""
        now_s = self._monotonic_s()
        if self._zero_s is None or now_s - (self._zero_s + pts_s) > LATE_S:
            self._zero_s = now_s - pts_s
        ahead_s = self._zero_s + pts_s - now_s
        return self._wait(ahead_s) if ahead_s > 0 else False

    def restart(self) -> None:
        """The next frame is due at once: after a pause, a reconnect, or frames that were skipped."""
        self._zero_s = None
