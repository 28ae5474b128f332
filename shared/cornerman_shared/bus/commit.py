"""Retries commits while the server is unreachable; a hop is idempotent, so it is safe to send again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from redis.exceptions import ResponseError

from cornerman_shared.aio import retry
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.errors import RetryableError, is_contained
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.messages import ErrorEvent

M = TypeVar("M")
T = TypeVar("T")

log = get_logger("commit")


async def commit_with_retry(delivery: Delivery[M], hop: Hop) -> HopResult:
    """Commits the hop, retrying until the server answers or another consumer takes the entry.

    `DONE_BEFORE` is the result when an earlier try succeeded and its reply was lost.

    Raises:
        FencedError: a newer owner holds the consumer's lease.
    """
    return await _until_answered(delivery, lambda: delivery.commit(hop))


async def bury_with_retry(delivery: Delivery[M], reason: str, also: Hop) -> HopResult:
    """Buries the entry and runs `also` in the same script; retries as `commit_with_retry` does."""
    return await _until_answered(delivery, lambda: delivery.bury(reason, also))


async def give_up(delivery: Delivery[M], reason: str, also: Hop) -> None:
    """Buries an entry that caused an unexpected error; without `also`, if that causes another.

    Raises:
        FencedError: a newer owner holds the consumer's lease.
    """
    try:
        await bury_with_retry(delivery, reason, also)
    except Exception as error:
        if not is_contained(error):
            raise
        log.exception("burial_refused", entry_id=delivery.entry_id, reason=reason)
        await bury_with_retry(delivery, f"{reason}; its burial failed: {type(error).__name__}: {error}", Hop())


async def publish_error(bus: Bus, event: ErrorEvent) -> None:
    """Publishes an error event of a source whose own data may be damaged; the log says if the server refuses it."""
    try:
        await bus.emit(event)
    except (RetryableError, ResponseError) as error:
        log.warning("error_not_published", source_id=event.source_id, message=event.message, error=str(error))


async def retry_forever(call: Callable[[], Awaitable[T]]) -> T:
    """Awaits `call()` until it raises no `RetryableError`. `call` must be safe to repeat."""
    return await retry(call, report=lambda error: log.warning("server_away", error=str(error)))


async def _until_answered(delivery: Delivery[M], send: Callable[[], Awaitable[HopResult]]) -> HopResult:
    if delivery.lost.is_set():
        return HopResult.SETTLED_BEFORE
    try:
        return await retry(
            send,
            keep_trying=lambda: not delivery.lost.is_set(),
            report=lambda error: log.warning("commit_interrupted", entry_id=delivery.entry_id, error=str(error)),
        )
    except RetryableError:
        # Without a settled entry, another consumer holds it and will settle it.
        return HopResult.DONE_BEFORE if delivery.was_settled_by_us else HopResult.SETTLED_BEFORE
