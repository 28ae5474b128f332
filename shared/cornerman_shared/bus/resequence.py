"""Restores the order of items that arrive out of order, by `seq`. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers in a row, from `seq`, that were skipped because their items did not arrive in time."""

    seq: int
    count: int = 1

    @property
    def last(self) -> int:
        """The last number skipped."""
        return self.seq + self.count - 1


class Resequencer(Generic[T]):
    """Holds items until every earlier one has arrived or has been skipped.

    Args:
        next_seq: the first number expected.
        max_held: with more items held, the earliest missing numbers are skipped at once.
    """

    def __init__(self, next_seq: int = 0, max_held: int = 512) -> None:
        self.next_seq = next_seq
        self._max_held = max_held
        self._held: dict[int, T] = {}
        self._blocked_since_s: float | None = None

    def __len__(self) -> int:
        return len(self._held)

    def push(self, seq: int, item: T, now_s: float) -> T | None:
        """Adds an item. Returns the item itself if it is late or a duplicate, else None."""
        if seq < self.next_seq or seq in self._held:
            return item
        self._held[seq] = item
        if self._blocked_since_s is None:
            self._blocked_since_s = now_s
        return None

    def pop(self, now_s: float, gap_s: float | None) -> T | Gap | None:
        """The next item in order, the skipped numbers before it, or None if the next item is still awaited.

        Args:
            now_s: the same clock as for `push`.
            gap_s: how long to wait for a missing number while later ones are held; None = no limit.
        """
        if self.next_seq in self._held:
            item = self._held.pop(self.next_seq)
            self.next_seq += 1
            # The next missing number gets its own full wait.
            self._blocked_since_s = now_s if self._held else None
            return item
        if not self._held or self._blocked_since_s is None:
            return None
        overdue = gap_s is not None and now_s - self._blocked_since_s >= gap_s
        if overdue or len(self._held) > self._max_held:
            # A gap of any length is one step: up to the earliest item held.
            first, self.next_seq = self.next_seq, min(self._held)
            return Gap(first, self.next_seq - first)
        return None

    def get(self, seq: int) -> T | None:
        """The item held for a number; None if there is none."""
        return self._held.get(seq)

    def replace(self, seq: int, item: T) -> None:
        """Exchanges the item held for a number."""
        self._held[seq] = item

    def held(self) -> list[T]:
        """Items held, in order of their numbers."""
        return [self._held[seq] for seq in sorted(self._held)]
