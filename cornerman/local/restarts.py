"""Restart policy for child processes: the next wait, and when a child is down. Pure: no clock, no processes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from cornerman_shared.backoff import Backoff

MOST: Final = 5
WITHIN_S: Final = 60.0
PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class NextTry:
    """The answer to a crash.

    Attributes:
        wait_s: seconds to wait before the restart.
        down: the child used up its quick restarts; it is tried again after a growing pause.
    """

    wait_s: float
    down: bool


class Restarts:
    """Allows `most` quick restarts within `within_s` seconds; later ones wait for growing pauses.

    A child that lives for `within_s` seconds starts over.

    Args:
        backoff: draws the waits of quick restarts.
        pauses: draws the pauses of a child that is down.
    """

    def __init__(
        self, backoff: Backoff, pauses: Backoff | None = None, most: int = MOST, within_s: float = WITHIN_S
    ) -> None:
        self._backoff = backoff
        self._pauses = pauses or Backoff(PAUSE_S, LONGEST_PAUSE_S)
        self.most = most
        self.within_s = within_s
        self._at_s: deque[float] = deque()

    def crashed(self, now_s: float, lived_s: float) -> NextTry:
        """Records a crash of a child that lived for `lived_s` seconds."""
        if lived_s >= self.within_s:
            self._at_s.clear()
            self._backoff.reset()
            self._pauses.reset()
        # While the child is down its pauses outlast the window, so old crashes count until it lives long enough.
        down = len(self._at_s) >= self.most and (
            self._pauses.tries > 0 or now_s - self._at_s[-self.most] <= self.within_s
        )
        if down:
            return NextTry(self._pauses.next_s(), down=True)
        while self._at_s and now_s - self._at_s[0] > self.within_s:
            self._at_s.popleft()
        if not self._at_s:
            self._backoff.reset()
        self._at_s.append(now_s)
        return NextTry(self._backoff.next_s(), down=False)
