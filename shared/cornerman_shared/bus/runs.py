"""Writes the run of a source: start, state and counters. Fenced by its lease, and safe to send again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import ErrorEvent, StateEvent
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.messages import SourceStateName


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
        raise lease.fenced_error()
    return RunInfo(reply[0].decode(), int(reply[1]), reply[2] == b"1")


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
        raise lease.fenced_error()
