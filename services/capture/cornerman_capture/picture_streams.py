"""The two streams of single pictures: JPEGs out to whoever watches, and JPEGs in from a browser's camera."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from cornerman_capture.preview import PreviewEncoder, PreviewFrame
from cornerman_capture.sources.push import Inbox
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.settings.source import SourceSpec

log = get_logger("viewers")

LOOK_S: Final = 0.5
"""How often it is looked whether somebody watches."""

RING_S: Final = 60
"""The ring is forgotten so long after its last picture."""

PUSH_BLOCK_MS: Final = 500
PUSH_READ: Final = 8


async def publish_previews(bus: Bus, spec: Callable[[], SourceSpec], run: str, tap: PreviewEncoder) -> None:
    """Puts the tap's pictures on the source's ring; turns the tap on and off as people come and go."""
    source_id = spec().source_id
    keys = bus.keys(source_id)

    async def look() -> None:
        while True:
            try:
                with redis_errors():
                    watched = bool(await bus.redis.exists(keys.watching(source_id)))
            except RetryableError:
                watched = False
            tap.watched = watched and spec().watch.display
            await asyncio.sleep(LOOK_S)

    async def write() -> None:
        while (shot := await tap.shots.take()) is not None:
            try:
                await _put(bus, keys.display(source_id), run, shot)
            except RetryableError:
                continue  # a picture for people is not worth waiting for; the next one comes at once

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        await write()
        looking.cancel()


async def _put(bus: Bus, ring: str, run: str, shot: PreviewFrame) -> None:
    body = pack_map({"run": run, "pts_s": shot.pts_s, "at_s": shot.at_s, "jpeg": shot.jpeg})
    with redis_errors():
        async with bus.redis.pipeline(transaction=False) as pipe:
            pipe.xadd(ring, {FIELD: body}, maxlen=bus.settings.capture.display_ring, approximate=True)
            pipe.expire(ring, RING_S)
            await pipe.execute()


async def read_pushed_frames(bus: Bus, source_id: str, inbox: Inbox) -> None:
    """Reads what a browser pushes into the inbox, from now on; survives a lost server."""
    stream = bus.keys(source_id).push(source_id)
    client = bus.blocking_client(PUSH_BLOCK_MS / 1000)
    backoff = Backoff(base_s=0.05, cap_s=1.0)
    last: str | bytes = "$"
    try:
        while True:
            try:
                with redis_errors():
                    found = await client.xread({stream: last}, count=PUSH_READ, block=PUSH_BLOCK_MS)
            except RetryableError:
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            for _stream, entries in found or []:
                for entry_id, fields in entries:
                    last = entry_id
                    _take(source_id, fields.get(FIELD), inbox)
    finally:
        await bus.close_client(client)


def _take(source_id: str, body: bytes | None, inbox: Inbox) -> None:
    try:
        item = unpack_map(body or b"")
        jpeg, pts_s = item.get("jpeg"), item.get("pts_s")
        if not isinstance(jpeg, bytes) or not isinstance(pts_s, (int, float, type(None))):
            raise MalformedError("a pushed frame needs pts_s (a number) and jpeg (bytes)")
    except MalformedError as error:
        log.debug("pushed_frame_malformed", source_id=source_id, error=str(error))
        return
    inbox.put(None if pts_s is None else float(pts_s), jpeg)
