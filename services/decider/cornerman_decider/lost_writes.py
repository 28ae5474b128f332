"""What it means that the server has an older state of a source than it acknowledged, and telling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_decider.state import DeciderState, went_back
from cornerman_shared.bus.commit import publish_error, retry_forever
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import Features
    from cornerman_shared.process.metrics import Metrics

log = get_logger("lost_writes")


async def was_damaged(
    bus: Bus,
    source_id: str,
    send: Callable[[Hop], Awaitable[HopResult]],
    metrics: Metrics,
    known: DeciderState,
    stored: DeciderState,
    features: Features,
) -> bool:
    """Whether a state is missing because it was damaged and deleted, so that the known one is to be kept.

    If a fail-over has lost the newest writes instead, tells it: their entries are pending again, and decided again.

    Args:
        bus: an open bus.
        source_id: the source.
        send: runs a hop under the shard's lease.
        metrics: of this process.
        known: the state before the refused hop.
        stored: the state that the server has.
        features: of the refused hop.
    """
    if not went_back(known, stored):
        return False
    if not stored.run:
        current = Hop().current(bus.keys(source_id), source_id, features.run, features.incarnation)
        if await send(current) is HopResult.SUPERSEDED:
            return False  # the source was removed or replaced
        if await retry_forever(lambda: _has_decisions(bus, source_id)):
            return True
    metrics.errors_total.labels("server_went_back").inc()
    lost = known.next_seq - stored.next_seq
    log.error("state_went_back", source_id=source_id, run=known.run, at=known.next_seq, lost=lost)
    message = f"the server lost the newest {lost} decisions in a fail-over; they are made again"
    await publish_error(bus, ErrorEvent(source_id, known.run, "decider", message, bus.clock.now_s()))
    return False


async def _has_decisions(bus: Bus, source_id: str) -> bool:
    """Whether chunks of the source's run were decided, as its counters say."""
    key = bus.keys(source_id).counters(source_id)
    async with bus.key_types.reading(key):
        return bool(await bus.redis.hexists(key, "decided"))
