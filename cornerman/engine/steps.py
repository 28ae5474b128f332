"""The steps of an async generator, taken from other threads, which may leave during a step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")


class Steps(Generic[T]):
    """Takes steps on one event loop.

    A caller that is interrupted (Ctrl-C, a timeout) leaves a step that still runs; a generator that runs cannot be
    closed, so closing ends that step first.
    """

    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._generator = generator
        self._running: asyncio.Task[object] | None = None

    async def next(self) -> T | None:
        """The next item; None at the end."""
        self._running = asyncio.current_task()
        try:
            return await anext(self._generator, None)
        finally:
            self._running = None

    async def close(self) -> None:
        """Ends the step that runs, and the generator."""
        if (running := self._running) is not None:
            if not running.cancelling():
                running.cancel()
            await asyncio.wait([running])
        await self._generator.aclose()
