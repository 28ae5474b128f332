"""One stream entry that a consumer holds, with the three ways to end it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from cornerman_shared.bus.hop import Hop, HopResult
    from cornerman_shared.bus.tracer import Attributes, Tracer, WorkSpan

M = TypeVar("M")


class _Owner(Protocol[M]):
    """The consumer of a delivery."""

    async def settle(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        """Acknowledges the entry and runs the hop, in one script."""

    async def bury(self, delivery: Delivery[M], reason: str, also: Hop | None) -> HopResult:
        """Acknowledges the entry, writes a dead letter and runs `also`, in one script."""

    async def begin(self, delivery: Delivery[M]) -> None:
        """Counts a delivery after the first, if the consumer counts those that were begun."""

    async def release(self, delivery: Delivery[M]) -> None:
        """Lets other consumers reclaim the entry at once."""

    def free_slot(self, delivery: Delivery[M]) -> None:
        """Frees the slot and ends the heartbeat; the entry itself stays pending."""


class Delivery(Generic[M]):
    """One entry in hand. End it with `commit`, `bury` or `release`.

    Attributes:
        deliveries: 1 = delivered for the first time.
        lost: set when another consumer has taken the entry, or when it is settled.
        settled: set with `lost` when the entry is not pending any more.
        settling: a try to settle the entry is under way.
        unanswered: a try to settle the entry got no answer, so that it may have been run.
        span: of the work on it, until its slot is free; None = not traced.
    """

    __slots__ = (
        "_consumer",
        "body",
        "deliveries",
        "entry_id",
        "lost",
        "message",
        "settled",
        "settling",
        "span",
        "stream",
        "unanswered",
    )

    def __init__(
        self, consumer: _Owner[M], stream: str, entry_id: str, body: bytes, message: M, deliveries: int
    ) -> None:
        self._consumer = consumer
        self.stream = stream
        self.entry_id = entry_id
        self.body = body
        self.message = message
        self.deliveries = deliveries
        self.lost = asyncio.Event()
        self.settled = False
        self.unanswered = False
        self.settling = False
        self.span: WorkSpan | None = None

    def trace(self, tracer: Tracer, group: str) -> None:
        """Begins the span of the work on this entry; `message` and all that is copied from it carry its context."""
        attributes: Attributes = {
            "messaging.consumer.group.name": group,
            "messaging.message.id": self.entry_id,
            "messaging.message.body.size": len(self.body),
            "cornerman.deliveries": self.deliveries,
        }
        self.span = tracer.process(self.message, self.stream, attributes)
        self.message = self.span.written_in(self.message)

    def note(self, attributes: Attributes, error: str = "") -> None:
        """Adds attributes to the span of the work, if it is traced; with an error the work has failed."""
        if self.span is not None:
            self.span.note(attributes, error)

    def end_trace(self) -> None:
        """Ends the span of the work, unless it has ended."""
        if self.span is not None:
            self.span.end()
            self.span = None

    @property
    def was_settled_by_us(self) -> bool:
        """Whether an entry that turned out to be settled was settled by our own, unanswered try."""
        return self.unanswered and (self.settled or not self.lost.is_set())

    async def begin(self) -> None:
        """Call before the work on the entry begins: if it kills this process, the delivery has counted.

        Raises:
            RetryableError: no answer; calling it again is safe.
        """
        if self.span is not None:
            self.span.event("begin")
        await self._consumer.begin(self)

    def forget(self) -> None:
        """Frees the slot and leaves the entry pending; a consumer with a lease reclaims it."""
        self._consumer.free_slot(self)

    async def commit(self, hop: Hop) -> HopResult:
        """Settles the entry and runs the hop; does neither if the entry was settled before.

        Raises:
            FencedError: a newer owner holds the consumer's lease.
            RetryableError: no answer; committing again is safe.
        """
        result = await self._consumer.settle(self, hop)
        self.note({"cornerman.outcome": result.name.lower()})
        self._consumer.free_slot(self)
        return result

    async def bury(self, reason: str, also: Hop | None = None) -> HopResult:
        """Moves the entry to the dead-letter stream and runs `also`, in one script."""
        result = await self._consumer.bury(self, reason, also)
        self.note({"cornerman.outcome": "buried"}, reason)
        self._consumer.free_slot(self)
        return result

    async def release(self) -> None:
        """Gives the entry back unsettled; another consumer may reclaim it at once."""
        self.note({"cornerman.outcome": "released"})
        self._consumer.free_slot(self)
        await self._consumer.release(self)
