"""Pieces of text of one request as they come from a back end, with ticks in between and a close with a limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cornerman_shared.aio import cancel_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cornerman_generator.protocol import TextDelta

TICK_S = 0.25
"""How often the deadline and the ownership of a request are checked while no text comes."""


class Pieces:
    """The deltas of one request. Close them in every case.

    Args:
        deltas: of the back end.
    """

    def __init__(self, deltas: AsyncIterator[TextDelta]) -> None:
        self._deltas = deltas
        self._following: asyncio.Future[TextDelta | None] | None = None

    async def with_ticks(self, wait_s: Callable[[], float | None]) -> AsyncIterator[TextDelta | None]:
        """Yields the deltas, and None whenever `wait_s()` seconds (at most a tick) have passed without one."""
        while True:
            self._following = asyncio.ensure_future(anext(self._deltas, None))
            while True:
                wait = wait_s()
                # Not `timeout`: that would cancel the pending `anext`, and with it the back end.
                limit_s = TICK_S if wait is None else min(wait, TICK_S)
                done, _ = await asyncio.wait({self._following}, timeout=limit_s)
                if done:
                    break
                yield None
            delta = self._following.result()
            if delta is None:
                return
            yield delta

    async def close(self, within_s: float) -> bool:
        """Stops the back end. False = it still runs after `within_s` seconds."""
        closing = asyncio.ensure_future(self._close())
        done, _ = await asyncio.wait({closing}, timeout=within_s)
        return bool(done)

    async def _close(self) -> None:
        if self._following is not None:
            await cancel_all(self._following)
        close = getattr(self._deltas, "aclose", None)  # the protocol asks for an iterator; generators can be closed
        if close is not None:
            await close()
