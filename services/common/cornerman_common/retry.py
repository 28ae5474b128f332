"""Settling work when the server may be away: a hop is sent again until it is answered, which is safe by its design."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

M = TypeVar("M")
T = TypeVar("T")

log = get_logger("settle")


async def commit_with_retry(delivery: Delivery[M], hop: Hop) -> HopResult:
    """Commits, trying again while the server is away; gives up when another consumer has the entry.

    A `SETTLED_BEFORE` after a lost answer may be our own earlier try that did get through.

    Raises:
        FencedError: a newer owner holds the consumer's lease.
    """
    return await _until_answered(delivery, lambda: delivery.commit(hop))


async def bury_with_retry(delivery: Delivery[M], reason: str, also: Hop) -> HopResult:
    """Buries the entry and tells the next stage, trying again as `commit_with_retry` does."""
    return await _until_answered(delivery, lambda: delivery.bury(reason, also))


async def _until_answered(delivery: Delivery[M], send: Callable[[], Awaitable[HopResult]]) -> HopResult:
    backoff = Backoff(base_s=0.05, cap_s=2.0)
    while not delivery.lost.is_set():
        try:
            return await send()
        except RetryableError as error:
            log.warning("commit_interrupted", entry_id=delivery.entry_id, error=str(error))
            await asyncio.sleep(backoff.next_s())
    return HopResult.SETTLED_BEFORE


async def retry_forever(ask: Callable[[], Awaitable[T]]) -> T:
    """Awaits `ask()`, again while the server is away. Only for what may be done twice."""
    backoff = Backoff(base_s=0.05, cap_s=2.0)
    while True:
        try:
            return await ask()
        except RetryableError as error:
            log.warning("server_away", error=str(error))
            await asyncio.sleep(backoff.next_s())
