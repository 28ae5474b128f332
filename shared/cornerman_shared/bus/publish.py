"""Publishes chunks, within the credit of their source. Fenced by its lease, and safe to send again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import RetryableError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.messages import Chunk
    from cornerman_shared.bus.scripts import Arg

Published = Literal["published", "no_credit", "duplicate", "outdated", "behind"]
_RESULTS: dict[int, Published] = {1: "published", 0: "no_credit", 2: "duplicate", 3: "outdated", 4: "behind"}


async def publish(bus: Bus, chunk: Chunk, lease: Lease, credit: int) -> Published:
    """Publishes a chunk if fewer than `credit` chunks of its source are on the bus; the end marker needs no credit.

    The `seq` of the end marker must be the number of chunks published; otherwise the result is "outdated". A chunk
    behind ones that the server does not have is "behind": a fail-over has lost them.

    Raises:
        FencedError: a newer owner holds the lease, a newer run has begun, this one has ended, or the source was
            removed or replaced.
        RetryableError: no answer; publishing it again is safe.
    """
    k, source_id, bus_settings = bus.keys(chunk.source_id), chunk.source_id, bus.settings.bus
    # Lossless credit must not heal by age: a slow encoder would let the queue grow without bound.
    heal_s = 0 if chunk.lossless else bus_settings.credit_heal_s
    span = bus.tracer.send(chunk, k.chunks, chunk.times.captured_at_s) if bus.tracer else None
    keys = [k.chunks, k.inflight(source_id), k.run(source_id), k.counters(source_id), lease.fence, k.incarnations]
    args: list[Arg] = [
        lease.generation,
        chunk.run,
        chunk.seq,
        credit_member(chunk.run, chunk.seq),
        # credit 0 skips the check: the end marker must pass even when the credit is used up
        0 if chunk.end else credit,
        heal_s,
        bus_settings.maxlen,
        pack(span.written_in(chunk) if span else chunk),
        int(chunk.end),
        source_id,
        chunk.incarnation,
        chunk.pts_s,
    ]
    try:
        reply = await bus.scripts.run("publish", keys, args)
    except RetryableError as error:
        if span is not None:
            span.end(str(error))
        raise
    if reply == -1:
        raise lease.fenced_error()
    result = _RESULTS[int(reply)]
    if span is not None and result == "published":  # a chunk that is not on the bus has no trace
        span.end()
    return result


async def count_published(bus: Bus, source_id: str, run: str) -> int | None:
    """Number of chunks published in `run`; None if it is not the source's run.

    Raises:
        RetryableError: no answer.
    """
    with redis_errors():
        there, published = await bus.redis.hmget(bus.keys(source_id).run(source_id), ["run", "published"])
    return int(published or 0) if there == run.encode() else None


def credit_member(run: str, seq: int) -> str:
    """Member of the source's `inflight` set that stands for a chunk; the decider removes it."""
    return f"{run}:{seq}"
