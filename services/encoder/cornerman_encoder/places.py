"""Places for batches that compute at the same time. A batch may ask for all of them, to compute alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Places:
    """So many batches compute at once, at most.

    Args:
        count: at least 1.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._entering = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def taken(self, *, alone: bool) -> AsyncIterator[None]:
        """Waits for a place, or with `alone` for all of them, and holds it. In turn: later ones do not overtake."""
        wanted = self._count if alone else 1
        held = 0
        try:
            async with self._entering:
                while held < wanted:
                    await self._free.acquire()
                    held += 1
            yield
        finally:
            for _ in range(held):
                self._free.release()
