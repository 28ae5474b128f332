"""Waits for room on a full server, says so, and gives up in time where a command would end by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from cornerman_shared.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S: Final = 1.0


class FullGate(Protocol):
    """Part of `cornerman_shared.bus.memory_gate.MemoryGate`."""

    async def full(self) -> str:
        """Why nothing more should be written; "" = there is room."""


class ServerRoom:
    """Whether the server has room.

    Args:
        gate: reads its memory.
        limit_s: longest time without room and without progress, seconds.
        tell: called when it is full, and when there is room again.
        now_s: monotonic seconds.
    """

    def __init__(self, gate: FullGate, limit_s: float, tell: Callable[[str], None], now_s: Callable[[], float]) -> None:
        self._gate, self._limit_s, self._tell, self._now_s = gate, limit_s, tell, now_s
        self._since_s: float | None = None
        self._progress = -1

    async def check(self, progress: int = 0, *, endless: bool = False) -> bool:
        """Reads the memory; returns whether there is room.

        Args:
            progress: how far the work is; while it moves, nothing is given up.
            endless: never give up.

        Raises:
            FatalError: there has been no room, and no progress, for `limit_s`.
            RetryableError: no answer.
        """
        why, now_s = await self._gate.full(), self._now_s()
        if not why:
            if self._since_s is not None:
                self._tell("the server has room again; going on")
            self._since_s = None
            return True
        if self._since_s is None:
            self._tell(f"{why}; waiting for room")
        if self._since_s is None or progress != self._progress:
            self._since_s, self._progress = now_s, progress
        if not endless and now_s - self._since_s >= self._limit_s:
            raise FatalError(f"no room on the server for {now_s - self._since_s:.0f} s: {why} (runtime.down_s)")
        return False

    async def wait(self, *, endless: bool = False) -> None:
        """Waits until there is room.

        Raises:
            FatalError: there has been none for `limit_s`.
            RetryableError: no answer.
        """
        while True:
            if await self.check(endless=endless):
                return
            await asyncio.sleep(POLL_S)
