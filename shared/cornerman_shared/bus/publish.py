"""Writes runs, chunks, counters and states of a source, for capture.

Every write is fenced by the lease of the source and is safe to send again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import ErrorEvent, StateEvent
from cornerman_shared.errors import FencedError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.messages import Chunk, SourceStateName

Published = Literal["published", "no_credit", "duplicate"]
_OUTCOMES: dict[int, Published] = {1: "published", 0: "no_credit", 2: "duplicate"}


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as stored on the server.

    Attributes:
        run: id of the run.
        next_seq: high-water mark; chunks below it have been published.
        ended: whether the end marker has been published.
    """

    run: str
    next_seq: int
    ended: bool


async def begin_run(bus: Bus, source_id: str, run: str, url: str, lease: Lease, *, resume: bool) -> RunInfo:
    """Starts `run` with new counters and full credit; with `resume`, continues a stored run of the same url.

    Raises:
        FencedError: a newer owner holds the lease.
    """
    k = bus.keys(source_id)
    reply = await bus.scripts.run(
        "begin_run",
        [k.run(source_id), k.counters(source_id), k.inflight(source_id), lease.fence],
        [lease.generation, run, int(resume), url],
    )
    if reply == -1:
        raise _fenced(lease)
    return RunInfo(reply[0].decode(), int(reply[1]), reply[2] == b"1")


async def publish(bus: Bus, chunk: Chunk, lease: Lease, credit: int) -> Published:
    """Publishes a chunk if fewer than `credit` chunks of its source are on the bus; the end marker needs no credit.

    Raises:
        FencedError: a newer owner holds the lease, or a newer run has begun.
        RetryableError: no answer; publishing it again is safe.
    """
    k, source_id, bus_settings = bus.keys(chunk.source_id), chunk.source_id, bus.settings.bus
    # Lossless credit must not heal by age: a slow encoder would let the queue grow without bound.
    heal_s = 0 if chunk.lossless else bus_settings.credit_heal_s
    reply = await bus.scripts.run(
        "publish",
        [k.chunks, k.inflight(source_id), k.run(source_id), k.counters(source_id), lease.fence],
        [
            lease.generation,
            chunk.run,
            chunk.seq,
            credit_member(chunk.run, chunk.seq),
            # credit 0 skips the check: the end marker must pass even when the credit is used up
            0 if chunk.end else credit,
            heal_s,
            bus_settings.maxlen,
            pack(chunk),
            int(chunk.end),
        ],
    )
    if reply == -1:
        raise _fenced(lease)
    return _OUTCOMES[int(reply)]


def credit_member(run: str, seq: int) -> str:
    """Member of the source's `inflight` set that stands for a chunk; the decider removes it."""
    return f"{run}:{seq}"


async def set_state(
    bus: Bus, source_id: str, run: str, state: SourceStateName, detail: str, lease: Lease, *, is_error: bool = False
) -> None:
    """Writes the source's state to its run hash and, if it changed, to the feedback streams.

    Args:
        bus: an open bus.
        source_id: the source.
        run: its current run.
        state: the new state.
        detail: reason of the state, for users; without credentials.
        lease: of the source.
        is_error: also publish the detail as an `ErrorEvent`.

    Raises:
        FencedError: a newer owner holds the lease.
        RetryableError: no answer; publishing it again is safe.
    """
    now_s = bus.clock.now_s()
    events = [pack(StateEvent(source_id, run, state, detail, now_s))]
    if is_error:
        events.append(pack(ErrorEvent(source_id, run, "capture", detail, now_s)))
    await _set(
        bus,
        source_id,
        bus.keys(source_id).run(source_id),
        {"state": state, "detail": clean_text(redact_url(detail))},
        lease,
        events,
    )


async def set_counters(bus: Bus, source_id: str, counters: Mapping[str, int], lease: Lease) -> None:
    """Sets counters of capture to absolute values: captured, sampled, due, dropped:<reason>.

    Raises:
        FencedError: a newer owner holds the lease.
    """
    await _set(bus, source_id, bus.keys(source_id).counters(source_id), counters, lease, [])


async def _set(
    bus: Bus, source_id: str, key: str, fields: Mapping[str, str | int], lease: Lease, events: Sequence[bytes]
) -> None:
    k = bus.keys(source_id)
    # HSET arguments: field, value, field, value …
    flat = [part for pair in fields.items() for part in pair]
    reply = await bus.scripts.run(
        "state",
        [key, lease.fence, k.feedback(source_id), k.feedback_all],
        [lease.generation, bus.settings.bus.feedback_maxlen, len(events), *events, *flat],
    )
    if reply == -1:
        raise _fenced(lease)


def _fenced(lease: Lease) -> FencedError:
    return FencedError(
        f"generation {lease.generation} of {lease.name} is over: a newer owner holds the lease, or a newer run began"
    )
