"""Whether an error ends a source, decided from the source's history. Pure: time is an argument.

A camera answers 401 or 404 while it boots. One that has played is therefore tried again whatever it answers; one that
never played ends with the reason, because its address or its password is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

REMOTE_TRIES: Final = 3
"""A remote file is given up after so many tries in a row without a frame."""

Fault = Literal["settings", "refused", "missing", "not_video", "away", "broke_off"]
"""What went wrong.

settings: the source's own text is wrong (address, options); no answer of anybody can mend it.
refused: 401, 403, permission denied. missing: 404, no such file or device. not_video: something else answers.
away: no connection, no answer, 5xx. broke_off: it was open, and ended or fell silent.
"""

Origin = Literal["file", "remote_file", "live"]
"""A file of this machine, a file over HTTP, or what comes when it comes."""

_WRONG_UNTIL_PLAYED: Final = frozenset({"refused", "missing", "not_video"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision about a source.

    Args:
        final: True = it ends; False = it is opened again.
        why: added to the error's own text, for people; "" = nothing to add.
    """

    final: bool
    why: str = ""


class SourceHistory:
    """The record of one source since it was added.

    Args:
        origin: what kind of source it is.
        give_up_s: one that never played is given up so long after its first error, seconds; 0 = never.
    """

    def __init__(self, origin: Origin, give_up_s: float = 0.0) -> None:
        self.origin: Origin = origin
        self.played = False
        self.tries = 0
        """Errors in a row since the newest frame."""
        self._give_up_s = give_up_s
        self._first_error_s: float | None = None

    def frame(self) -> None:
        """A frame came."""
        self.played = True
        self.tries = 0

    def left_s(self, now_s: float) -> float:
        """How long until it is given up, seconds; infinite when it is not going to be."""
        if self.played or not self._give_up_s or self._first_error_s is None:
            return math.inf
        return max(0.0, self._first_error_s + self._give_up_s - now_s)

    def judge(self, fault: Fault, now_s: float) -> Judgement:
        """An error came: does it end the source?"""
        self.tries += 1
        if self._first_error_s is None:
            self._first_error_s = now_s
        if fault == "settings" or self.origin == "file":
            return Judgement(True)
        if fault in _WRONG_UNTIL_PLAYED:
            if not self.played and not (self.origin == "live" and fault == "missing"):
                return Judgement(True)
            if self.played and self.origin == "live":
                return Judgement(False, "it has played before, so it is tried again")
        if self.origin == "remote_file" and self.tries >= REMOTE_TRIES:
            return Judgement(True, f"given up after {self.tries} tries in a row without a frame")
        if self.left_s(now_s) <= 0:
            return Judgement(True, f"given up after {self.tries} tries (watch.give_up_s = {self._give_up_s:g})")
        return Judgement(False)
