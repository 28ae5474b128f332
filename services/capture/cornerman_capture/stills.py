"""Keeps stills: the newest frame of each chunk with feedback, stored raw on the server.

Stills are stored whether or not a viewer is connected, and are encoded as JPEG only when requested. Frames are held in
memory until their decision is known, which is read from the feedback stream.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import pack_map, unpack_event
from cornerman_shared.bus.messages import DecisionEvent, StartEvent
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import MalformedError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerman_capture.core import PendingChunk, Pixels
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import Event
    from cornerman_shared.settings.source import SourceSpec

HELD: Final = 32
"""Frames held until their decision is known: more than can be on the bus at once."""

KEPT: Final = 40
"""Stills of a source on the server; at 224 x 398 pixels that is 10 MiB."""

KEPT_S: Final = 3600
POLL_S: Final = 0.25
PAGE: Final = 500


class Stills:
    """Stills of one run.

    Args:
        bus: an open bus.
        run: the run's id.
        spec: returns the current settings of the source; with `watch.display` off, no still is stored.
    """

    def __init__(self, bus: Bus, run: str, spec: Callable[[], SourceSpec]) -> None:
        self._bus, self._run, self._spec = bus, run, spec
        self._source_id = spec().source_id
        self._keys = bus.keys(self._source_id)
        self._held: OrderedDict[int, Pixels] = OrderedDict()  # moment -> frame, oldest first
        self._decided: set[int] = set()
        self._wanted: list[int] = []

    def hold(self, chunk: PendingChunk) -> None:
        """Holds the newest frame of a published chunk until its decision is known."""
        self._held[streams.moment_ms(chunk.pts_s)] = chunk.frames[-1].rgb
        while len(self._held) > HELD:
            self._decided.discard(self._held.popitem(last=False)[0])

    async def store_loop(self) -> None:
        """Stores stills of chunks with feedback, without end. Retries while the server is unreachable."""
        last_id = ""
        while True:
            with suppress(RetryableError):  # the stream keeps unread events, so the next poll reads them
                feedback = self._keys.feedback(self._source_id)
                last_id = await self._read_events(last_id) if last_id else await self._bus.newest_id(feedback)
            await asyncio.sleep(POLL_S)

    async def flush(self) -> None:
        """Stores the few frames whose decision is still unknown at the end of the run."""
        self._wanted += [moment for moment in self._held if moment not in self._decided]
        with suppress(RetryableError):  # a lost still must not delay the end of the run
            await self._store_wanted()

    async def _read_events(self, last_id: str) -> str:
        """Reads the events behind `last_id`; returns the id of the last one."""
        with redis_errors():
            rows = await self._bus.redis.xrange(self._keys.feedback(self._source_id), f"({last_id}", "+", count=PAGE)
        for raw_id, fields in rows:
            last_id = raw_id.decode()
            try:
                self._on_event(unpack_event(fields.get(streams.FIELD, b"")))
            except MalformedError:
                continue  # subscribers log it
        await self._store_wanted()
        return last_id

    async def _store_wanted(self) -> None:
        while self._wanted:
            await self._store(self._wanted[0])
            del self._wanted[0]

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, (StartEvent, DecisionEvent)) or event.run != self._run:
            return
        moment = streams.moment_ms(event.pts_s)
        if moment not in self._held:
            return
        self._decided.add(moment)
        has_feedback = isinstance(event, StartEvent) or event.action != "next"
        if has_feedback and moment not in self._wanted and self._spec().watch.display:
            self._wanted.append(moment)

    async def _store(self, moment: int) -> None:
        rgb = self._held.pop(moment, None)
        self._decided.discard(moment)
        if rgb is None:
            return
        key = self._keys.stills(self._source_id)
        body = pack_map({"height": rgb.shape[0], "width": rgb.shape[1], "rgb": np.ascontiguousarray(rgb).tobytes()})
        try:
            with redis_errors():
                # In one transaction: a run that is stopped in between would leave a key that never expires.
                async with self._bus.blobs.pipeline(transaction=True) as pipe:
                    pipe.hset(key, streams.still_field(self._run, moment), body)
                    pipe.expire(key, KEPT_S)
                    pipe.hlen(key)
                    *_, stored = await pipe.execute()
                if stored > KEPT:
                    names = sorted(await self._bus.blobs.hkeys(key), key=streams.still_order)
                    await self._bus.blobs.hdel(key, *names[:-KEPT])
        except RetryableError:
            self._held[moment] = rgb  # to be stored by the next poll
            raise
