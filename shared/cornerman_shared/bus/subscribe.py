"""Follows feedback streams with blocking reads on a separate connection, and resumes after a reconnect.

The ids of the newest entries are kept here, so that nothing is missed or repeated while the server is away.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Protocol

from cornerman_shared.aio import cancel_all, retry
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import Event
    from cornerman_shared.bus.redis_client import Client

Outage = Callable[[Exception | None], None]
"""Called with the error when the server is lost, once, and with None when it is back."""

GapFound = Callable[[str], None]
"""Called with the id of the last event before a gap: later ones were trimmed (`bus.feedback_maxlen`)."""

PAGE = 256
SLOW_S = 1.0
"""A reader that was away from the stream for so long may have missed what was trimmed."""

log = get_logger("subscribe")


class StreamReader(Protocol):
    """The operations of a bus that following needs."""

    def blocking_client(self, block_s: float) -> Client:
        """Opens a connection for blocking reads."""

    async def close_client(self, client: Client) -> None:
        """Closes it."""

    async def newest_id(self, key: str) -> str:
        """Id of a stream's newest entry."""

    async def trimmed_behind(self, stream: str, event_id: str) -> bool:
        """Whether an entry behind this id was trimmed."""


async def follow(
    bus: StreamReader,
    keys: list[str],
    *,
    since: str,
    block_ms: int,
    outage: Outage | None = None,
    gap: GapFound | None = None,
) -> AsyncIterator[tuple[str, Event]]:
    """Yields (entry id, event) of these streams from behind `since`, without end.

    A malformed entry is logged and skipped. While the server is unreachable it retries.

    Args:
        outage: told of a lost server; None = it is logged.
        gap: told of events that were trimmed before they were read, at the start, after an outage, and by a slow
            reader; None = it is logged. Not of those before the first one with `since` 0, which asks for what is kept.
    """
    lost, read_at_s = False, -math.inf
    clock_s = asyncio.get_running_loop().time
    gaps: dict[str, str] = {}  # told already, by key
    told = outage or _log_outage
    client = bus.blocking_client(block_ms / 1000)
    last_ids: dict[str, str] = {} if since == "$" else dict.fromkeys(keys, since)

    async def read() -> Any:
        with patient_errors():
            if not last_ids:
                # `$` is resolved once, so that it means the moment of subscribing also after a reconnect.
                last_ids.update({key: await bus.newest_id(key) for key in keys})
            if lost:
                await _check_ids(bus, last_ids)
            if lost or clock_s() - read_at_s > SLOW_S:
                await _tell_gaps(bus, last_ids, gaps, gap or _log_gap)
            return await client.xread(last_ids, count=PAGE, block=block_ms)

    def report(error: Exception) -> None:
        nonlocal lost
        if not lost:
            told(error)
        lost = True

    try:
        while True:
            reply = await retry(read, report=report)
            if lost:
                lost = False
                told(None)
            read_at_s = clock_s()
            for raw_key, entries in reply or ():
                key = raw_key.decode()
                for raw_id, fields in entries:
                    last_ids[key] = raw_id.decode()
                    try:
                        event = unpack_event(fields.get(streams.FIELD, b""))
                    except MalformedError as error:
                        log.warning("event_malformed", stream=key, entry_id=last_ids[key], error=str(error))
                        continue
                    yield last_ids[key], event
    finally:
        await bus.close_client(client)


def _log_outage(error: Exception | None) -> None:
    if error is None:
        log.info("subscription_resumed")
    else:
        log.warning("subscription_interrupted", error=str(error))


def _log_gap(event_id: str) -> None:
    log.warning("subscription_has_a_gap", after=event_id, reason="trimmed before they were read: bus.feedback_maxlen")


async def _tell_gaps(bus: StreamReader, last_ids: dict[str, str], told: dict[str, str], gap: GapFound) -> None:
    for key, last_id in last_ids.items():
        if any(streams.entry_order(last_id)) and told.get(key) != last_id and await bus.trimmed_behind(key, last_id):
            told[key] = last_id
            gap(last_id)


async def _check_ids(bus: StreamReader, last_ids: dict[str, str]) -> None:
    """Goes back to the newest entry where a server came back with older ones: it lost data, or its clock."""
    for key, last_id in last_ids.items():
        newest = await bus.newest_id(key)
        if streams.entry_order(newest) < streams.entry_order(last_id):
            log.warning("stream_went_back", stream=key, last_seen=last_id, newest=newest)
            last_ids[key] = newest


async def follow_shards(
    bus: StreamReader,
    keys: list[str],
    *,
    since: str,
    block_ms: int,
    outage: Outage | None = None,
    gap: GapFound | None = None,
) -> AsyncIterator[tuple[str, Event]]:
    """As `follow`, for streams in several slots of a cluster: each is read on a connection of its own."""
    arrived: asyncio.Queue[tuple[str, Event] | Exception] = asyncio.Queue(PAGE)

    async def copy(key: str) -> None:
        try:
            async for item in follow(bus, [key], since=since, block_ms=block_ms, outage=outage, gap=gap):
                await arrived.put(item)
        except Exception as error:  # raised where the events are read
            await arrived.put(error)

    tasks = [asyncio.create_task(copy(key), name=f"follow:{key}") for key in keys]
    try:
        while True:
            item = await arrived.get()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        await cancel_all(*tasks)
