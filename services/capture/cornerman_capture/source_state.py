"""The states of a source and when it gives up. Pure: time is an argument, errors are what they say of themselves.

opening -> playing <-> stalled -> reconnecting -> playing … ended | failed
"""

from __future__ import annotations

import math
from typing import Final

from cornerman_shared.bus.messages import SourceStateName
from cornerman_shared.errors import SourceError

REMOTE_TRIES: Final = 3
"""A remote file is given up after so many tries in a row without a frame; a camera never is."""


class BrokenError(SourceError):
    """A source error that says whether opening again can help.

    Args:
        message: what happened, the source without its credentials, what to do.
        final: True when trying again cannot help (wrong address, refused credentials, no video in it).
    """

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


class SourceState:
    """Where a source stands.

    Args:
        stall_s: a live source without a frame for this long has stalled.
        can_fail: whether it is given up after `REMOTE_TRIES` in a row (remote files) or tried for ever (cameras).
        give_up_s: a source that has never given a frame is given up so long after its first failure; 0 = never.
    """

    def __init__(self, stall_s: float, *, can_fail: bool, give_up_s: float = 0.0) -> None:
        self.state: SourceStateName = "opening"
        self.detail = ""
        self.reconnects = 0
        self._stall_s = stall_s
        self.can_fail = can_fail
        self._tries = 0
        self._give_up_s = give_up_s
        self._played = False
        self._lost_at_s: float | None = None  # its first failure
        self._frame_at_s = 0.0

    @property
    def over(self) -> bool:
        return self.state in ("ended", "failed")

    def frame(self, now_s: float) -> None:
        """A frame came."""
        self._frame_at_s = now_s
        self._tries = 0
        self._played = True
        if self.state != "playing":
            self._become("playing", "")

    def quiet(self, now_s: float) -> None:
        """Called now and then while a live source is open: notices that nothing comes."""
        if self.state == "playing" and now_s - self._frame_at_s > self._stall_s:
            self._become("stalled", f"no frame for {self._stall_s:g} s")

    def lost(self, error: BrokenError, now_s: float) -> bool:
        """The source could not be opened or broke off; True when it is to be tried again."""
        self._tries += 1
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        if not error.final and self.left_s(now_s) <= 0:
            after = f"given up after {self._tries} tries (watch.give_up_s = {self._give_up_s:g})"
            self._become("failed", f"{error}; {after}")
            return False
        if error.final or (self.can_fail and self._tries >= REMOTE_TRIES):
            self._become("failed", str(error))
            return False
        self.reconnects += 1
        self._become("reconnecting", str(error))
        return True

    def left_s(self, now_s: float) -> float:
        """How long until it is given up, seconds; infinite when it is not going to be."""
        if self._played or not self._give_up_s or self._lost_at_s is None:
            return math.inf
        return max(0.0, self._lost_at_s + self._give_up_s - now_s)

    def fail(self, detail: str) -> None:
        """It cannot go on, whatever was tried."""
        self._become("failed", detail)

    def ended(self, detail: str = "") -> None:
        """The last frame has been."""
        self._become("ended", detail)

    def paused(self) -> None:
        self._become("paused", "")

    def resumed(self) -> None:
        self._become("opening", "")

    def _become(self, state: SourceStateName, detail: str) -> None:
        self.state, self.detail = state, detail
