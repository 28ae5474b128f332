"""What capture writes: runs, chunks, counters and states.

All of it is fenced by the source's lease, and safe to send again.
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
    """A run as the server knows it. `next_seq` is the high-water mark: chunks below it are on the bus or past it."""

    run: str
    next_seq: int
    ended: bool


async def begin_run(bus: Bus, source_id: str, run: str, url: str, lease: Lease, *, resume: bool) -> RunInfo:
    """Starts `run`, forgetting counters and credit of the one before; or, with `resume`, continues a run of the same
    url.

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
    """Puts a chunk on the bus if fewer than `credit` chunks of its source are there; the end marker needs no credit.

    Raises:
        FencedError: a newer owner holds the lease, or a newer run has begun.
        RetryableError: no answer; sending it again is safe.
    """
    k, source_id, bus_settings = bus.keys(chunk.source_id), chunk.source_id, bus.settings.bus
    heal_s = 0 if chunk.lossless else bus_settings.credit_heal_s
    reply = await bus.scripts.run(
        "publish",
        [k.chunks, k.inflight(source_id), k.run(source_id), k.counters(source_id), lease.fence],
        [
            lease.generation,
            chunk.run,
            chunk.seq,
            credit_member(chunk.run, chunk.seq),
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
    """How a chunk is named in its source's `inflight` set; the decider gives it back."""
    return f"{run}:{seq}"


async def set_state(
    bus: Bus, source_id: str, run: str, state: SourceStateName, detail: str, lease: Lease, *, wrong: bool = False
) -> None:
    """Records the source's state in its run hash and tells subscribers, unless that is what was recorded last.

    Args:
        wrong: people are to get the detail as an error, too.

    Raises:
        FencedError: a newer owner holds the lease.
        RetryableError: no answer; sending it again is safe.
    """
    now_s = bus.clock.now_s()
    events = [pack(StateEvent(source_id, run, state, detail, now_s))]
    if wrong:
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
    """Sets capture's counters to these absolute values: captured, sampled, due, dropped:<reason>.

    Raises:
        FencedError: a newer owner holds the lease.
    """
    await _set(bus, source_id, bus.keys(source_id).counters(source_id), counters, lease, [])


async def _set(
    bus: Bus, source_id: str, key: str, fields: Mapping[str, str | int], lease: Lease, events: Sequence[bytes]
) -> None:
    k = bus.keys(source_id)
    flat = [part for pair in fields.items() for part in pair]
    reply = await bus.scripts.run(
        "state",
        [key, lease.fence, k.feedback(source_id), k.feedback_all],
        [lease.generation, bus.settings.bus.feedback_maxlen, len(events), *events, *flat],
    )
    if reply == -1:
        raise _fenced(lease)


def _fenced(lease: Lease) -> FencedError:
    return FencedError(f"generation {lease.generation} of {lease.name} is over: a newer owner or run has taken over")
