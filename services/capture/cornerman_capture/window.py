"""The window rule: when do sampled frames become a chunk, and which. Knows nothing of time or pixels.

Emit when at least 8 sampled frames are held and at least `8 - overlap` new ones have come since the last chunk; take
the newest 8. So the newest frame is always in the chunk, and nothing is ever padded.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from cornerman_shared.settings.source import CHUNK_FRAMES

T = TypeVar("T")


class Window(Generic[T]):
    """Holds the newest `CHUNK_FRAMES` items and says when they are a chunk.

    Args:
        overlap: items that a chunk shares with the one before, 0 to 7.
    """

    def __init__(self, overlap: int) -> None:
        if not 0 <= overlap < CHUNK_FRAMES:
            raise ValueError(f"overlap = {overlap!r}: give 0 to {CHUNK_FRAMES - 1}")
        self._stride = CHUNK_FRAMES - overlap
        self._held: deque[T] = deque(maxlen=CHUNK_FRAMES)
        self._new = 0

    def push(self, item: T) -> tuple[T, ...] | None:
        """Takes the next sampled item; returns the chunk, oldest first, when one is due."""
        self._held.append(item)
        self._new += 1
        if len(self._held) < CHUNK_FRAMES or self._new < self._stride:
            return None
        self._new = 0
        return tuple(self._held)

    def clear(self) -> None:
        """Forgets what is held: frames from before a break do not belong with those after it."""
        self._held.clear()
        self._new = 0

    def newest(self) -> T:
        """The item pushed last.

        Raises:
            IndexError: nothing is held.
        """
        return self._held[-1]

    def __len__(self) -> int:
        return len(self._held)
