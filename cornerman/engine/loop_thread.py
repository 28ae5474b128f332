"""An event loop in a thread of its own, for callers with and without one."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Final, TypeVar

T = TypeVar("T")

EXIT_S: Final = 5.0
"""How long the end of the process waits for each loop."""

_RUNNING: Final[set[LoopThread]] = set()


@atexit.register
def _end_all() -> None:
    """Ends the loops before the interpreter does: a thread that it ends in the middle of a model aborts the process."""
    running = list(_RUNNING)
    for each in running:
        each.stop()
    for each in running:
        each.join(EXIT_S)


class ClosedLoopError(RuntimeError):
    """Work was given to a loop that is closed, or was closed before its end."""

    def __init__(self) -> None:
        super().__init__("this coach is closed; make another one")


class LoopThread:
    """Runs coroutines of any thread on one loop, until it is closed."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()  # nothing is submitted after the last work
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        _RUNNING.add(self)
        try:
            self._loop.run_forever()
            self._loop.close()
        finally:
            _RUNNING.discard(self)

    def join(self, within_s: float | None = None) -> None:
        """Waits for the end of the thread, in another thread."""
        if threading.current_thread() is not self._thread:
            self._thread.join(within_s)

    @property
    def closed(self) -> bool:
        """Whether no coroutine is taken any more."""
        return self._closed

    def check_open(self) -> None:
        """Raises a `ClosedLoopError` if the loop is closed."""
        if self._closed:
            raise ClosedLoopError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it and waits, in a thread without a loop of its own.

        Raises:
            ClosedLoopError: the loop is closed, or was closed meanwhile.
        """
        future = self._submitted(work)
        try:
            return future.result()
        except CancelledError:
            raise ClosedLoopError from None
        except BaseException:
            future.cancel()  # Ctrl-C
            raise

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it and waits, in another event loop; cancelling the waiter cancels the work.

        Raises:
            ClosedLoopError: the loop is closed, or was closed meanwhile.
        """
        future = self._submitted(work)
        waiter = asyncio.current_task()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._closed and not (waiter and waiter.cancelling()):
                raise ClosedLoopError from None
            raise

    def leave(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs what ends something, and waits for it; does nothing if the loop is closed, as all has ended then."""
        if threading.current_thread() is self._thread:  # a finalizer, wherever the garbage was collected
            self._post(work)
            return
        with contextlib.suppress(ClosedLoopError):
            self.run(work)

    async def wait_to_leave(self, work: Coroutine[Any, Any, None]) -> None:
        """As `leave`, in another event loop."""
        with contextlib.suppress(ClosedLoopError):
            await self.wait(work)

    def _post(self, work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(ClosedLoopError):
            self._submitted(work)

    def _submitted(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            if not self._closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise ClosedLoopError

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancels what runs on the loop, then runs `last` on it, and ends the thread."""
        self.stop(last)
        self.join()

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """As `close`, without waiting for the end."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._wind_up(last), self._loop)

    async def _wind_up(self, last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        try:
            if last is not None:
                await last()
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()
        finally:
            self._loop.stop()
