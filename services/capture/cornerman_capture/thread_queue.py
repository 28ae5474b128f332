"""Between the decoding thread and the event loop: a bounded place for what is due. Knows nothing of what it holds.

Live: when nobody takes, the newest replaces the oldest, which is returned to be counted. Lossless: the thread waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LIVE_DEPTH: Final = 1
LOSSLESS_DEPTH: Final = 2


class ThreadEvent:
    """An `asyncio.Event` that may be set from any thread. Made in the loop that waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        # A thread may outlive the loop by a moment at the end of the process; then nobody listens any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Until rung since the last time; False after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class ThreadQueue(Generic[T]):
    """Items from one thread to one coroutine.

    Args:
        depth: items held at most.
        lossless: wait for room instead of letting the oldest go.
    """

    def __init__(self, depth: int, *, lossless: bool) -> None:
        self._depth = depth
        self._lossless = lossless
        self._held: deque[T] = deque()
        self._closed = False
        self._room = threading.Condition()
        self._bell = ThreadEvent()

    def offer(self, item: T) -> int:
        """From the thread: hands over an item; returns how many older ones went for it (1, itself, when closed)."""
        gone = 0
        with self._room:
            while self._lossless and len(self._held) >= self._depth and not self._closed:
                self._room.wait()
            if self._closed:
                return 1
            while len(self._held) >= self._depth:
                self._held.popleft()
                gone += 1
            self._held.append(item)
        self._bell.ring()
        return gone

    def close(self, *, discard: bool = False) -> None:
        """From anywhere: nothing more comes; what is held is still taken, unless `discard`."""
        with self._room:
            self._closed = True
            if discard:
                self._held.clear()
            self._room.notify_all()
        self._bell.ring()

    async def take(self) -> T | None:
        """From the loop: the next item; None once it is closed and empty."""
        while True:
            with self._room:
                if self._held:
                    item = self._held.popleft()
                    self._room.notify_all()
                    return item
                if self._closed:
                    return None
            await self._bell.wait()
