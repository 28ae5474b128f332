"""Writes the run of a source: start, state and counters. Fenced by its lease, and safe to send again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import ErrorEvent, StateEvent
from cornerman_shared.bus.streams import KEEP_REMOVED_S, counters_of
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
        pts_s: media time of the newest chunk, seconds; None = no chunk yet, or a version that stores none wrote it.
        away_s: seconds since that chunk was published, by the server's clock.
        counters: of the run so far.
    """

    run: str
    next_seq: int
    ended: bool
    pts_s: float | None = field(default=None, compare=False)
    away_s: float = field(default=0.0, compare=False)
    counters: Mapping[str, int] = field(default_factory=dict, compare=False)


async def begin_run(
    bus: Bus, source_id: str, run: str, url: str, lease: Lease, *, resume: bool, incarnation: int = 0
) -> RunInfo:
    """Starts `run` with new counters and full credit; with `resume`, continues a stored run of the same url.

    Args:
        bus: an open bus.
        source_id: the source.
        run: id of the run, if one is started.
        url: identifies what is watched; another one starts a run.
        lease: of the source.
        resume: whether a stored run may be continued.
        incarnation: of the source, as the caller knows it.

    Raises:
        FencedError: a newer owner holds the lease, or the source was removed or replaced.
    """
    k = bus.keys(source_id)
    reply = await bus.scripts.run(
        "begin_run",
        [k.run(source_id), k.counters(source_id), k.inflight(source_id), lease.fence, k.incarnations, k.retired],
        [lease.generation, run, int(resume), url, source_id, incarnation, KEEP_REMOVED_S],
    )
    if reply == -1:
        raise lease.fenced_error()
    counters = dict(zip(reply[5][::2], reply[5][1::2], strict=True))
    return RunInfo(
        reply[0].decode(),
        int(reply[1]),
        reply[2] == b"1",
        float(reply[3]) if reply[3] else None,
        float(reply[4]),
        counters_of(counters),
    )


async def set_state(
    bus: Bus,
    source_id: str,
    run: str,
    state: SourceStateName,
    detail: str,
    lease: Lease,
    *,
    is_error: bool = False,
    incarnation: int = 0,
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
        incarnation: of the source, for the events.

    Raises:
        FencedError: a newer owner holds the lease, or the run is no longer current.
        RetryableError: no answer; publishing it again is safe.
    """
    now_s = bus.clock.now_s()
    events = [pack(StateEvent(source_id, run, state, detail, now_s, incarnation))]
    if is_error:
        events.append(pack(ErrorEvent(source_id, run, "capture", detail, now_s, incarnation=incarnation)))
    await _set(
        bus,
        source_id,
        run,
        bus.keys(source_id).run(source_id),
        {"state": state, "detail": clean_text(redact_url(detail))},
        lease,
        events,
    )


async def set_counters(bus: Bus, source_id: str, counters: Mapping[str, int], lease: Lease, *, run: str = "") -> None:
    """Sets counters of capture to absolute values: captured, sampled, due, dropped:<reason>.

    Raises:
        FencedError: a newer owner holds the lease, or `run` (empty = any) is no longer current.
    """
    await _set(bus, source_id, run, bus.keys(source_id).counters(source_id), counters, lease, [])


async def _set(
    bus: Bus,
    source_id: str,
    run: str,
    key: str,
    fields: Mapping[str, str | int],
    lease: Lease,
    events: Sequence[bytes],
) -> None:
    k = bus.keys(source_id)
    # HSET arguments: field, value, field, value …
    flat = [part for pair in fields.items() for part in pair]
    reply = await bus.scripts.run(
        "state",
        [key, lease.fence, k.feedback(source_id), k.feedback_all, k.run(source_id)],
        [lease.generation, run, bus.settings.bus.feedback_maxlen, len(events), *events, *flat],
    )
    if reply == -1:
        raise lease.fenced_error()
