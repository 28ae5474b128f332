"""Puts what arrives out of order back into order by `seq`.

Pure: time is an argument. Knows nothing of what it orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gap:
    """`seq` did not come in time and was given up."""

    seq: int


class Resequencer(Generic[T]):
    """Holds items until every earlier one has come, or has been waited for long enough.

    Args:
        next_seq: the first number that is awaited.
        max_held: with more than this many held, the earliest missing number is given up at once.
    """

    def __init__(self, next_seq: int = 0, max_held: int = 512) -> None:
        self.next_seq = next_seq
        self._max_held = max_held
        self._held: dict[int, T] = {}
        self._blocked_since_s: float | None = None

    def __len__(self) -> int:
        return len(self._held)

    def push(self, seq: int, item: T, now_s: float) -> T | None:
        """Takes an item.

        One whose number has passed, or is held already, is not taken but returned: it is late or twice.
        """
        if seq < self.next_seq or seq in self._held:
            return item
        self._held[seq] = item
        if self._blocked_since_s is None:
            self._blocked_since_s = now_s
        return None

    def pop(self, now_s: float, gap_s: float | None) -> T | Gap | None:
        """The next item in order, a gap that was given up, or None when there is nothing to do yet.

        Args:
            gap_s: how long to wait for a missing number while later ones are held; None = for ever.
        """
        if self.next_seq in self._held:
            item = self._held.pop(self.next_seq)
            self.next_seq += 1
            self._blocked_since_s = now_s if self._held else None
            return item
        if not self._held or self._blocked_since_s is None:
            return None
        overdue = gap_s is not None and now_s - self._blocked_since_s >= gap_s
        if overdue or len(self._held) > self._max_held:
            gap = Gap(self.next_seq)
            self.next_seq += 1
            return gap
        return None

    def held(self) -> list[T]:
        """What is still held, earliest number first."""
        return [self._held[seq] for seq in sorted(self._held)]
