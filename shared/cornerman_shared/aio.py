"""Async building blocks: retry, bounded waits, racing tasks, and task groups that keep every error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from cornerman_shared.backoff import Backoff
from cornerman_shared.errors import RetryableError

T = TypeVar("T")

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Starts a coroutine as a task that its owner awaits or cancels."""

BASE_S = 0.05
CAP_S = 2.0


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    on: type[Exception] | tuple[type[Exception], ...] = RetryableError,
    keep_trying: Callable[[], bool] = lambda: True,
    report: Callable[[Exception], None] = lambda error: None,
    base_s: float = BASE_S,
    cap_s: float = CAP_S,
) -> T:
    """Awaits `call()` until it succeeds, with full-jitter backoff between attempts.

    The one retry policy of the project: `call` must be safe to repeat.

    Args:
        call: makes a new awaitable for each attempt.
        on: errors that are worth another attempt; every other error is raised at once.
        keep_trying: asked after each failure; False raises the last error.
        report: called with each error that leads to another attempt, for logs and counters.
        base_s: upper bound of the first wait, seconds.
        cap_s: upper bound of every wait, seconds.

    Raises:
        Exception: the last error, once `keep_trying()` is False.
    """
    backoff = Backoff(base_s=base_s, cap_s=cap_s)
    while True:
        try:
            return await call()
        except on as error:
            if not keep_trying():
                raise
            report(error)
            await asyncio.sleep(backoff.next_s())


async def wait_or_timeout(event: asyncio.Event, timeout_s: float | None) -> bool:
    """Waits until `event` is set or `timeout_s` seconds have passed; True = it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


@contextmanager
def group_survived() -> Iterator[None]:
    """Around a task group whose errors are caught, where the task goes on afterwards.

    Early releases of Python 3.11, Debian 12's among them, leave the failed group's own request to cancel counted; the
    next `asyncio.timeout` would then end the task.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    yield
    while task and task.cancelling() > before:
        task.uncancel()


async def first_of(*awaitables: Awaitable[Any]) -> set[int]:
    """Waits for the first of `awaitables`, then cancels and awaits the others.

    Futures and tasks that the caller owns are cancelled too; wrap one in `asyncio.shield` to keep it.

    Returns:
        Positions of those that were done when the first one ended; at least one.

    Raises:
        BaseException: the error of a done awaitable, lowest position first.
    """
    tasks = [asyncio.ensure_future(item) for item in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = {position for position, task in enumerate(tasks) if task.done()}
        for position in sorted(done):
            # Raises the error of the task, if it failed.
            tasks[position].result()
        return done
    finally:
        await cancel_all(*tasks)


async def cancel_all(*tasks: asyncio.Future[Any]) -> None:
    """Cancels tasks and waits until they have ended; their errors are dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def leaves(error: BaseException) -> list[BaseException]:
    """The single errors of a group, however deep; of a single error, itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves(each)]


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` beside the body and cancels it when the body ends.

    An error of the body or of any coroutine ends all of them. A single error is raised itself, several as a group.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(item) for item in work]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as errors:
        # Callers catch the error itself; TaskGroup always wraps it.
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        raise


def places(count: int) -> Callable[[bool], AbstractAsyncContextManager[None]]:
    """Room for so many at once: `async with take(alone):` waits for a place, or with `alone` for all, and holds it.

    In turn: those who come later do not overtake.
    """
    free, entering = asyncio.Semaphore(count), asyncio.Lock()

    @asynccontextmanager
    async def take(alone: bool) -> AsyncIterator[None]:
        wanted, held = count if alone else 1, 0
        try:
            async with entering:
                while held < wanted:
                    await free.acquire()
                    held += 1
            yield
        finally:
            for _ in range(held):
                free.release()

    return take
