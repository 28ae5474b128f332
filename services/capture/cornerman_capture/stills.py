"""Stills of what was spoken about: the newest frame of a chunk, kept raw on the server once words are said about it.

Nobody need watch for that, and no JPEG is made: whoever asks for the picture makes it. Silent chunks are held for a
moment only, until their decision is known. Knows neither the decider nor the gateway; it reads the feedback stream.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import numpy as np

from cornerman_capture.core import PendingChunk, Pixels
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import pack_map, unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, Event, StartEvent
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import MalformedError, RetryableError
from cornerman_shared.settings.source import SourceSpec

HELD: Final = 32
"""Frames held until their decision is known: more than can be on the bus at once."""

KEPT: Final = 40
"""Stills of a source on the server; at 224 x 398 pixels that is 10 MiB."""

KEPT_S: Final = 3600
LOOK_S: Final = 0.25
PAGE: Final = 500


class Stills:
    """The stills of one run.

    Args:
        bus: an open bus.
        run: the run's id.
        spec: the source's settings now; with `watch.display` off nothing is kept.
    """

    def __init__(self, bus: Bus, run: str, spec: Callable[[], SourceSpec]) -> None:
        self._bus, self._run, self._spec = bus, run, spec
        self._source_id = spec().source_id
        self._keys = bus.keys(self._source_id)
        self._held: OrderedDict[int, Pixels] = OrderedDict()
        self._decided: set[int] = set()
        self._wanted: list[int] = []

    def hold(self, cut: PendingChunk) -> None:
        """Keeps the newest frame of a published chunk at hand."""
        self._held[streams.moment_ms(cut.pts_s)] = cut.frames[-1].rgb
        while len(self._held) > HELD:
            self._decided.discard(self._held.popitem(last=False)[0])

    async def keep(self) -> None:
        """Puts on the server what words are said about, for ever. A lost server is waited for."""
        last = ""
        while True:
            with suppress(RetryableError):  # the stream keeps what we have not read; it is looked at again
                last = (
                    await self._look(last) if last else await self._bus.newest_id(self._keys.feedback(self._source_id))
                )
            await asyncio.sleep(LOOK_S)

    async def settle(self) -> None:
        """The run is over, and decisions about its last chunks are yet to come: those are all kept, a handful."""
        self._wanted += [moment for moment in self._held if moment not in self._decided]
        with suppress(RetryableError):  # stills are for people, and come after everything else
            await self._put_wanted()

    async def _look(self, last: str) -> str:
        """Reads what came behind `last`, and returns where to go on."""
        with redis_errors():
            rows = await self._bus.redis.xrange(self._keys.feedback(self._source_id), f"({last}", "+", count=PAGE)
        for raw_id, fields in rows:
            last = raw_id.decode()
            try:
                self._note(unpack_event(fields.get(streams.FIELD, b"")))
            except MalformedError:
                continue  # whoever shows events says so
        await self._put_wanted()
        return last

    async def _put_wanted(self) -> None:
        while self._wanted:
            await self._put(self._wanted[0])
            del self._wanted[0]

    def _note(self, event: Event) -> None:
        if not isinstance(event, (StartEvent, DecisionEvent)) or event.run != self._run:
            return
        moment = streams.moment_ms(event.pts_s)
        if moment not in self._held:
            return
        self._decided.add(moment)
        spoken = isinstance(event, StartEvent) or event.action != "next"
        if spoken and moment not in self._wanted and self._spec().watch.display:
            self._wanted.append(moment)

    async def _put(self, moment: int) -> None:
        rgb = self._held.pop(moment, None)
        self._decided.discard(moment)
        if rgb is None:
            return
        key = self._keys.stills(self._source_id)
        body = pack_map({"height": rgb.shape[0], "width": rgb.shape[1], "rgb": np.ascontiguousarray(rgb).tobytes()})
        try:
            with redis_errors():
                await self._bus.redis.hset(key, streams.still_field(self._run, moment), body)
                await self._bus.redis.expire(key, KEPT_S)
                if int(await self._bus.redis.hlen(key)) > KEPT:
                    names = sorted(await self._bus.redis.hkeys(key), key=streams.still_order)
                    await self._bus.redis.hdel(key, *names[:-KEPT])
        except RetryableError:
            self._held[moment] = rgb  # to be put again
            raise
