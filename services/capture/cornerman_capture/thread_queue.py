"""Bounded queue and event between the decoding thread and the event loop.

Live: a full queue drops its oldest item for the new one, and counts it. Lossless: the thread waits for room.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from typing import Final, Generic, TypeVar

from cornerman_shared.aio import wait_or_timeout

T = TypeVar("T")

LIVE_DEPTH: Final = 1
LOSSLESS_DEPTH: Final = 2


class ThreadEvent:
    """An event that any thread may set; waiting clears it. Make it in the loop that waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wakes the waiting coroutine."""
        # The thread may outlive the loop by a moment at the end of the process; the loop then refuses the call.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the event is set and clears it; returns False after `timeout_s` seconds."""
        if not await wait_or_timeout(self._event, timeout_s):
            return False
        self._event.clear()
        return True


class ThreadQueue(Generic[T]):
    """Queue from one thread to one coroutine.

    Args:
        depth: upper bound of items held.
        lossless: `put` waits for room instead of dropping the oldest item.
    """

    def __init__(self, depth: int, *, lossless: bool) -> None:
        self._depth = depth
        self._lossless = lossless
        self._held: deque[T] = deque()
        self._closed = False
        self._room = threading.Condition()
        self._filled = ThreadEvent()

    def put(self, item: T) -> int:
        """Adds an item, from the thread; returns how many items were dropped: older ones, or this one if closed."""
        dropped = 0
        with self._room:
            while self._lossless and len(self._held) >= self._depth and not self._closed:
                self._room.wait()
            if self._closed:
                return 1
            while len(self._held) >= self._depth:
                self._held.popleft()
                dropped += 1
            self._held.append(item)
        self._filled.set()
        return dropped

    def close(self, *, discard: bool = False) -> None:
        """Accepts no more items, from any thread; held items can still be taken unless `discard`."""
        with self._room:
            self._closed = True
            if discard:
                self._held.clear()
            self._room.notify_all()
        self._filled.set()

    async def get(self) -> T | None:
        """Waits for the next item, in the loop; None once the queue is closed and empty."""
        while True:
            with self._room:
                if self._held:
                    item = self._held.popleft()
                    self._room.notify_all()
                    return item
                if self._closed:
                    return None
            await self._filled.wait()
