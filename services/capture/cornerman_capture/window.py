"""Selects which sampled frames form a chunk. Independent of time and pixels.

A chunk is due when at least 8 sampled frames are held and at least `8 - overlap` of them are new since the last chunk.
It has the newest 8, so it always contains the newest frame and is never padded.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from cornerman_shared.chunk import CHUNK_FRAMES

T = TypeVar("T")


class Window(Generic[T]):
    """Holds the newest `CHUNK_FRAMES` items and returns them when a chunk is due.

    Args:
        overlap: items that a chunk shares with the one before, 0 to 7.

    Raises:
        ValueError: `overlap` is out of range.
    """

    def __init__(self, overlap: int) -> None:
        if not 0 <= overlap < CHUNK_FRAMES:
            raise ValueError(f"overlap = {overlap!r}: give 0 to {CHUNK_FRAMES - 1}")
        self._stride = CHUNK_FRAMES - overlap
        # Older items fall out by themselves.
        self._held: deque[T] = deque(maxlen=CHUNK_FRAMES)
        self._new = 0

    def push(self, item: T) -> tuple[T, ...] | None:
        """Adds a sampled item; returns the chunk, oldest first, if one is due."""
        self._held.append(item)
        self._new += 1
        if len(self._held) < CHUNK_FRAMES or self._new < self._stride:
            return None
        self._new = 0
        return tuple(self._held)

    def clear(self) -> None:
        """Drops all items; a chunk must not span a break of the source."""
        self._held.clear()
        self._new = 0

    def newest(self) -> T:
        """The item added last.

        Raises:
            IndexError: the window is empty.
        """
        return self._held[-1]

    def __len__(self) -> int:
        return len(self._held)
