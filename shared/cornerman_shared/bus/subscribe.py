"""Follows feedback streams: blocking reads on a connection of their own, resuming behind the last event seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from cornerman_shared.backoff import Backoff
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.messages import Event
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

PAGE = 256

log = get_logger("subscribe")


async def follow(bus: Bus, keys: list[str], *, since: str, block_ms: int) -> AsyncIterator[tuple[str, Event]]:
    """(entry id, event) of these streams from behind `since`, for ever. A malformed entry is logged and passed over."""
    client = bus.blocking_client(block_ms / 1000)
    backoff = Backoff(base_s=0.05, cap_s=2.0)
    at: dict[str, str] = {} if since == "$" else dict.fromkeys(keys, since)
    try:
        while True:
            try:
                if not at:
                    # `$` is resolved once: it means the moment of subscribing, also after a reconnect.
                    at = {key: await bus.newest_id(key) for key in keys}
                with redis_errors():
                    reply = await client.xread(at, count=PAGE, block=block_ms)
                backoff.reset()
            except RetryableError as error:
                log.warning("subscription_interrupted", error=str(error))
                await asyncio.sleep(backoff.next_s())
                continue
            for raw_key, entries in reply or ():
                key = raw_key.decode()
                for raw_id, fields in entries:
                    at[key] = raw_id.decode()
                    try:
                        event = unpack_event(fields.get(streams.FIELD, b""))
                    except MalformedError as error:
                        log.warning("event_malformed", stream=key, entry_id=at[key], error=str(error))
                        continue
                    yield at[key], event
    finally:
        await bus.close_client(client)
