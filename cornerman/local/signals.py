"""Ctrl-C and its relatives, for commands that must end in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from cornerman.local.error_groups import first_of

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.asynccontextmanager
async def stop_at_signals(stop: asyncio.Event) -> AsyncIterator[None]:
    """The first Ctrl-C, SIGTERM or closed terminal sets `stop`; the second one cancels the body."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
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
    """Runs `work` to its end, or until a signal; being stopped by one is a normal end."""

    async def both() -> None:
        stop = asyncio.Event()
        async with stop_at_signals(stop), asyncio.TaskGroup() as tasks:
            doing = tasks.create_task(work)
            stopping = tasks.create_task(stop.wait())
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            doing.cancel()
            stopping.cancel()

    try:
        asyncio.run(both())
    except BaseExceptionGroup as group:
        raise first_of(group) from None
