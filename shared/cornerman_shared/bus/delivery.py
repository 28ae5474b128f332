"""One stream entry in hand: what the consumer read, and the three ways to end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from cornerman_shared.bus.hop import Hop, HopResult

M = TypeVar("M")


class Owner(Protocol[M]):
    """What a delivery needs of the consumer that read it."""

    async def settle(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        """Acknowledge and do what the hop says, in one script."""

    async def bury(self, delivery: Delivery[M], reason: str, also: Hop | None) -> HopResult:
        """The same, with a dead letter."""

    async def release(self, delivery: Delivery[M]) -> None:
        """Lets other consumers reclaim the entry at once."""

    def free_slot(self, delivery: Delivery[M]) -> None:
        """Frees the slot and ends the heartbeat; the entry itself stays pending."""


class Delivery(Generic[M]):
    """One entry in hand. End it with `commit`, `bury` or `release`."""

    __slots__ = ("_consumer", "body", "deliveries", "entry_id", "lost", "message", "stream")

    def __init__(
        self, consumer: Owner[M], stream: str, entry_id: str, body: bytes, message: M, deliveries: int
    ) -> None:
        self._consumer = consumer
        self.stream = stream
        self.entry_id = entry_id
        self.body = body
        self.message = message
        self.deliveries = deliveries  # 1 = the first time
        self.lost = asyncio.Event()  # set when another consumer has taken the entry over

    async def commit(self, hop: Hop) -> HopResult:
        """Settles the entry and does what the hop says, or nothing when somebody else had settled it.

        Raises:
            FencedError: a newer owner holds the consumer's lease.
            RetryableError: no answer; committing again is safe.
        """
        outcome = await self._consumer.settle(self, hop)
        self._consumer.free_slot(self)
        return outcome

    async def bury(self, reason: str, also: Hop | None = None) -> HopResult:
        """Moves the entry to the dead-letter stream, in one script with what `also` says."""
        outcome = await self._consumer.bury(self, reason, also)
        self._consumer.free_slot(self)
        return outcome

    async def release(self) -> None:
        """Gives the entry up unsettled; the next consumer that looks takes it at once."""
        self._consumer.free_slot(self)
        await self._consumer.release(self)
