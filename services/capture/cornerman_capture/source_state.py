"""State machine of a source, with the rules for giving up. Pure: time is an argument.

opening -> playing <-> stalled -> reconnecting -> playing … ended | failed
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cornerman_capture.broken import BrokenError
    from cornerman_shared.bus.messages import SourceStateName

MAX_ATTEMPTS: Final = 3
"""A remote file fails after this many attempts in a row without a frame; a camera is retried without limit."""


class SourceState:
    """State of one source.

    Args:
        stall_s: a live source without a frame for this long has stalled.
        can_fail: whether the source fails after `MAX_ATTEMPTS` in a row (files) or is retried without limit (cameras).
        give_up_s: a source that has never given a frame fails this long after its first error; 0 = never.
    """

    def __init__(self, stall_s: float, *, can_fail: bool, give_up_s: float = 0.0) -> None:
        self.name: SourceStateName = "opening"
        self.detail = ""
        self.reconnects = 0
        self._stall_s = stall_s
        self.can_fail = can_fail
        self._attempts = 0
        self._give_up_s = give_up_s
        self._played = False
        self._first_error_at_s: float | None = None
        self._frame_at_s = 0.0

    @property
    def over(self) -> bool:
        """Whether the source has ended or failed."""
        return self.name in ("ended", "failed")

    def on_frame(self, now_s: float) -> None:
        """Registers a frame."""
        self._frame_at_s = now_s
        self._attempts = 0
        self._played = True
        if self.name != "playing":
            self._set("playing", "")

    def check_stall(self, now_s: float) -> None:
        """Sets `stalled` if a playing source has given no frame for `stall_s`; poll it while a live source is open."""
        if self.name == "playing" and now_s - self._frame_at_s > self._stall_s:
            self._set("stalled", f"no frame for {self._stall_s:g} s")

    def on_error(self, error: BrokenError, now_s: float) -> bool:
        """Registers that the source could not be opened or broke off; returns whether to open it again."""
        self._attempts += 1
        if self._first_error_at_s is None:
            self._first_error_at_s = now_s
        # A final error keeps its own reason.
        if not error.final and self.time_left_s(now_s) <= 0:
            after = f"given up after {self._attempts} tries (watch.give_up_s = {self._give_up_s:g})"
            self._set("failed", f"{error}; {after}")
            return False
        if error.final or (self.can_fail and self._attempts >= MAX_ATTEMPTS):
            self._set("failed", str(error))
            return False
        self.reconnects += 1
        self._set("reconnecting", str(error))
        return True

    def time_left_s(self, now_s: float) -> float:
        """Seconds until `give_up_s` makes the source fail; infinite if it does not apply."""
        if self._played or not self._give_up_s or self._first_error_at_s is None:
            return math.inf
        return max(0.0, self._first_error_at_s + self._give_up_s - now_s)

    def fail(self, detail: str) -> None:
        """Sets `failed`; the source cannot continue."""
        self._set("failed", detail)

    def end(self, detail: str = "") -> None:
        """Sets `ended`: the source gave its last frame."""
        self._set("ended", detail)

    def pause(self) -> None:
        """Sets `paused`."""
        self._set("paused", "")

    def resume(self) -> None:
        """Sets `opening` after a pause."""
        self._set("opening", "")

    def _set(self, name: SourceStateName, detail: str) -> None:
        self.name, self.detail = name, detail
