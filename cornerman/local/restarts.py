"""Restart policy for child processes: how long to wait, and when to give up. Pure: no clock, no processes."""

from __future__ import annotations

from collections import deque

from cornerman_shared.backoff import Backoff

MOST = 5
WITHIN_S = 60.0


class Restarts:
    """Allows `most` restarts within `within_s` seconds, each after a longer wait.

    Args:
        backoff: draws the waits; starts over when a child lived longer than `within_s`.
    """

    def __init__(self, backoff: Backoff, most: int = MOST, within_s: float = WITHIN_S) -> None:
        self._backoff = backoff
        self.most = most
        self.within_s = within_s
        self._at_s: deque[float] = deque()

    def crashed(self, now_s: float) -> float | None:
        """Records a crash. Returns the seconds to wait before the restart, or None to give up."""
        # Crashes older than the window no longer count.
        while self._at_s and now_s - self._at_s[0] > self.within_s:
            self._at_s.popleft()
        if not self._at_s:
            self._backoff.reset()
        if len(self._at_s) >= self.most:
            return None
        self._at_s.append(now_s)
        return self._backoff.next_s()
