"""Runs an iterator in a thread and gives its items as an async iterator. Knows nothing of models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


class _End:
    """Marks the end of the items."""


async def in_thread(make: Callable[[threading.Event], Iterator[T]], executor: Executor) -> AsyncIterator[T]:
    """Items of `make(cancel)`, which runs in the executor.

    Closing the iterator sets `cancel` and waits for the thread, so that it does not compute without a reader. The queue
    in between is bounded by the number of items; for text that is `max_new_tokens`.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[T | BaseException | _End] = asyncio.Queue()
    cancel = threading.Event()

    def put(item: T | BaseException | _End) -> None:
        if not loop.is_closed():  # the process may end while the thread still computes
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def compute() -> None:
        try:
            for item in make(cancel):
                if cancel.is_set():
                    return
                put(item)
            put(_End())
        except BaseException as error:
            put(error)

    future = loop.run_in_executor(executor, compute)
    try:
        while True:
            item = await queue.get()
            if isinstance(item, _End):
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        cancel.set()
        await asyncio.wait([future])  # not awaited itself: its result and errors went through the queue
