"""Ends commands in order at SIGINT (Ctrl-C), SIGTERM and SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from cornerman_shared.aio import first_of

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.asynccontextmanager
async def stop_at_signals(stop: asyncio.Event) -> AsyncIterator[None]:
    """The first signal sets `stop`; the second one cancels the body."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
        # The second signal ends a command that hangs while it stops.
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in NUMBERS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in NUMBERS:
            loop.remove_signal_handler(number)


def run_until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` to its end or until a signal; a signal is a normal end."""

    async def until_signal() -> None:
        stop = asyncio.Event()
        async with stop_at_signals(stop):
            await first_of(work, stop.wait())

    asyncio.run(until_signal())
