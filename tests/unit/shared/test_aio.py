"""The async toolbox: retries, bounded waits, races and groups."""

import asyncio
from contextlib import suppress

import pytest

from cornerman_shared.aio import background, cancel_all, first_of, group_survived, retry, wait_or_timeout
from cornerman_shared.errors import PoisonError, RetryableError


class Flaky:
    """Fails with these errors in turn, then returns the number of calls."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


async def test_retry_returns_first_success() -> None:
    seen: list[Exception] = []
    call = Flaky(RetryableError("one"), RetryableError("two"))
    assert await retry(call, report=seen.append, base_s=0.001, cap_s=0.002) == 3
    assert [str(error) for error in seen] == ["one", "two"]


async def test_retry_raises_other_errors() -> None:
    call = Flaky(PoisonError("bad"))
    with pytest.raises(PoisonError, match="bad"):
        await retry(call)
    assert call.calls == 1


async def test_retry_stops_when_told() -> None:
    call = Flaky(*[RetryableError(str(n)) for n in range(9)])
    with pytest.raises(RetryableError, match="2"):
        await retry(call, keep_trying=lambda: call.calls < 3, base_s=0.001, cap_s=0.002)


async def test_retry_ends_when_cancelled() -> None:
    task = asyncio.ensure_future(retry(Flaky(RetryableError("away")), base_s=60.0, cap_s=60.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_wait_or_timeout_says_which() -> None:
    event = asyncio.Event()
    assert await wait_or_timeout(event, 0.001) is False
    event.set()
    assert await wait_or_timeout(event, None) is True


async def test_first_of_cancels_the_rest() -> None:
    slow = asyncio.ensure_future(asyncio.sleep(60.0))
    assert await first_of(slow, asyncio.sleep(0)) == {1}
    assert slow.cancelled()


async def test_first_of_raises_its_error() -> None:
    async def fail() -> None:
        raise PoisonError("broken")

    with pytest.raises(PoisonError, match="broken"):
        await first_of(asyncio.sleep(60.0), fail())


async def test_cancel_all_waits_for_cleanup() -> None:
    cleaned = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60.0)
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    await cancel_all(task)
    assert cleaned.is_set()


async def test_background_ends_with_body() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60.0)
        finally:
            ended.set()

    async with background(work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_background_error_ends_body() -> None:
    async def work() -> None:
        raise PoisonError("broken")

    with pytest.raises(PoisonError, match="broken"):
        async with background(work()):
            await asyncio.sleep(60.0)


async def test_background_keeps_both_errors() -> None:
    async def work() -> None:
        try:
            await asyncio.sleep(60.0)
        finally:
            raise PoisonError("cleanup")

    with pytest.raises(ExceptionGroup) as caught:
        async with background(work()):
            await asyncio.sleep(0)
            raise RetryableError("body")
    assert {type(error) for error in caught.value.exceptions} == {PoisonError, RetryableError}


async def test_survived_group_leaves_no_request_to_cancel() -> None:
    """As early releases of Python 3.11 leave one, which ended the decider's wait for its lease."""
    task = asyncio.current_task()
    assert task is not None
    with group_survived():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        assert task.cancelling() == 1
    assert task.cancelling() == 0
    assert not await wait_or_timeout(asyncio.Event(), 0.01)
