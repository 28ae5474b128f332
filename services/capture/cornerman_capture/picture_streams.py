"""Streams of single pictures: preview JPEGs to viewers, and pushed JPEGs from a browser's camera."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from cornerman_shared.aio import background, retry
from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerman_capture.preview import PreviewEncoder, PreviewFrame
    from cornerman_capture.sources.push import Inbox
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.settings.source import SourceSpec

log = get_logger("viewers")

VIEWER_POLL_S: Final = 0.5
"""How often to check whether a viewer is connected."""

RING_TTL_S: Final = 60
"""The ring expires this long after its last picture."""

PUSH_BLOCK_MS: Final = 500
PUSH_READ: Final = 8


async def publish_previews(bus: Bus, spec: Callable[[], SourceSpec], run: str, previews: PreviewEncoder) -> None:
    """Writes previews to the ring of the source until their queue closes; enables them while a viewer is connected."""
    ring = bus.keys(spec().source_id).display(spec().source_id)
    async with background(_poll_viewers(bus, spec, previews)):
        while (frame := await previews.frames.get()) is not None:
            try:
                await _append(bus, ring, run, frame)
            except RetryableError:
                continue  # a preview is not worth a retry: the next one is newer


async def _poll_viewers(bus: Bus, spec: Callable[[], SourceSpec], previews: PreviewEncoder) -> None:
    key = bus.keys(spec().source_id).watching(spec().source_id)
    while True:
        try:
            with redis_errors():
                has_viewers = bool(await bus.redis.exists(key))
        except RetryableError:
            # Without the server previews cannot be delivered.
            has_viewers = False
        previews.enabled = has_viewers and spec().watch.display
        await asyncio.sleep(VIEWER_POLL_S)


async def _append(bus: Bus, ring: str, run: str, frame: PreviewFrame) -> None:
    body = pack_map({"run": run, "pts_s": frame.pts_s, "at_s": frame.at_s, "jpeg": frame.jpeg})
    with redis_errors():
        # One transaction: a writer that stops in between would leave a stream that never expires.
        async with bus.blobs.pipeline(transaction=True) as pipe:
            pipe.xadd(ring, {FIELD: body}, maxlen=bus.settings.capture.display_ring, approximate=True)
            pipe.expire(ring, RING_TTL_S)
            await pipe.execute()


async def read_pushed_frames(bus: Bus, source_id: str, inbox: Inbox) -> None:
    """Reads frames that a browser pushes from now on into the inbox. Retries while the server is unreachable."""
    stream = bus.keys(source_id).push(source_id)
    client = bus.blocking_client(PUSH_BLOCK_MS / 1000, blobs=True)
    last_id: str | bytes = "$"

    async def read() -> Any:
        with redis_errors():
            return await client.xread({stream: last_id}, count=PUSH_READ, block=PUSH_BLOCK_MS)

    try:
        while True:
            for _stream, entries in await retry(read, cap_s=1.0) or ():
                for entry_id, fields in entries:
                    last_id = entry_id
                    _put(source_id, fields.get(FIELD), inbox)
    finally:
        await bus.close_client(client)


def _put(source_id: str, body: bytes | None, inbox: Inbox) -> None:
    try:
        item = unpack_map(body or b"")
        jpeg, pts_s = item.get("jpeg"), item.get("pts_s")
        if not isinstance(jpeg, bytes) or not isinstance(pts_s, (int, float, type(None))):
            raise MalformedError("a pushed frame needs pts_s (a number) and jpeg (bytes)")
    except MalformedError as error:
        log.debug("pushed_frame_malformed", source_id=source_id, error=str(error))
        return
    inbox.put(None if pts_s is None else float(pts_s), jpeg)
