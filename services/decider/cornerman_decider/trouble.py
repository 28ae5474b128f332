"""Unexpected errors of one source: how long it pauses, what its viewers are told, which entry is given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 30.0
TRIES = 2
"""An entry that fails as often as this in a row is buried."""


@dataclass(frozen=True, slots=True)
class Setback:
    """What follows from an error."""

    pause_s: float
    tell: bool  # False = the viewers know of this error already
    give_up: bool  # bury the entry that was worked on


class Trouble:
    """Errors of one source since its last success."""

    def __init__(self) -> None:
        self._pause_s = 0.0
        self._told = ""
        self._entry_id = ""
        self._tries = 0

    def failed(self, entry_id: str, message: str) -> Setback:
        """Counts an error; `entry_id` is of the entry that was worked on, empty = none."""
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S) if self._pause_s else FIRST_PAUSE_S
        self._tries = self._tries + 1 if entry_id == self._entry_id else 1
        self._entry_id = entry_id
        tell, self._told = message != self._told, message
        return Setback(self._pause_s, tell, give_up=entry_id != "" and self._tries >= TRIES)

    def worked(self) -> None:
        """Ends the row of errors."""
        self._pause_s, self._told, self._entry_id, self._tries = 0.0, "", "", 0
