"""State machine of a source, with the rules for giving up. Pure: time is an argument.

opening -> playing <-> stalled -> reconnecting -> playing … ended | failed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerman_media.finality import SourceHistory

if TYPE_CHECKING:
    from cornerman_capture.broken import BrokenError
    from cornerman_shared.bus.messages import SourceStateName


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new state of the source, with its reason for users."""

    state: SourceStateName
    detail: str

    @property
    def over(self) -> bool:
        """Whether the source has ended or failed."""
        return self.state in ("ended", "failed")


class SourceState:
    """State of one source.

    Args:
        stall_s: a live source without a frame for this long has stalled.
        can_fail: whether the source fails after some attempts in a row (files) or is retried without limit (cameras).
        give_up_s: a source that has never given a frame fails this long after its first error; 0 = never.
    """

    def __init__(self, stall_s: float, *, can_fail: bool, give_up_s: float = 0.0) -> None:
        self.name: SourceStateName = "opening"
        self.detail = ""
        self.reconnects = 0
        self._stall_s = stall_s
        self._history = SourceHistory("remote_file" if can_fail else "live", give_up_s)
        self._remark = ""
        self._frame_at_s = 0.0

    @property
    def can_fail(self) -> bool:
        """Whether it is a file, which fails after some attempts in a row; known once it has been opened."""
        return self._history.origin != "live"

    @can_fail.setter
    def can_fail(self, value: bool) -> None:
        self._history.origin = "remote_file" if value else "live"

    @property
    def over(self) -> bool:
        """Whether the source has ended or failed."""
        return self.name in ("ended", "failed")

    def on_frame(self, now_s: float) -> None:
        """Registers a frame."""
        self._frame_at_s = now_s
        self._history.frame()
        if self.name != "playing":
            self._set("playing", self._remark)

    def remark(self, text: str) -> None:
        """Sets what users should know while the source plays; "" = nothing."""
        self._remark = text
        if self.name == "playing":
            self._set("playing", text)

    def check_stall(self, now_s: float) -> None:
        """Sets `stalled` if a playing source has given no frame for `stall_s`; poll it while a live source is open."""
        if self.name == "playing" and now_s - self._frame_at_s > self._stall_s:
            self._set("stalled", f"no frame for {self._stall_s:g} s")

    def on_error(self, error: BrokenError, now_s: float) -> bool:
        """Registers that the source could not be opened or broke off; returns whether to open it again."""
        judgement = self._history.judge(error.fault, now_s)
        detail = f"{error}; {judgement.why}" if judgement.why else str(error)
        if judgement.final:
            self._set("failed", detail)
            return False
        self.reconnects += 1
        self._set("reconnecting", detail)
        return True

    def time_left_s(self, now_s: float) -> float:
        """Seconds until `give_up_s` makes the source fail; infinite if it does not apply."""
        return self._history.left_s(now_s)

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
