"""Pictures for viewers: one reader of a source's JPEG ring for all viewers, delayed so that words keep in step.

Capture makes JPEGs only while the source's `watching` key exists; this sets it, with a short TTL, while there are
viewers. A `DelayGroup` is one delay (auto, or a number of seconds); its viewers see the same picture at the same time.
A slow viewer misses pictures without affecting the others.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgpack

from cornerman_gateway.delay import DelayRules, Estimate, Playout
from cornerman_gateway.picture_cache import CachedPicture, PictureCache
from cornerman_gateway.rows import read_rows
from cornerman_shared.bus import streams
from cornerman_shared.bus.messages import DecisionEvent, DeltaEvent, EndEvent, Event, StartEvent
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.bus.streams import entry_order
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_gateway.fanout import Hub
    from cornerman_shared.aio import Spawn
    from cornerman_shared.bus.connection import Bus

log = get_logger("gateway")

WATCH_TTL_MS = 3_000
WATCH_EVERY_S = 1.0
TICK_S = 0.012
POLL_S = 0.03
KEEP_BYTES = 96 * 1024 * 1024
"""Most bytes of pictures held for one source while the delay runs."""
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class DelayedPicture:
    """A picture with the delay it is shown at."""

    picture: CachedPicture
    delay_s: float
    target_s: float
    rate: float


class Viewer:
    """One connected viewer. Only the newest picture waits for it."""

    def __init__(self) -> None:
        self._there = asyncio.Event()
        self._shown: DelayedPicture | None = None
        self._closed = False

    def show(self, shown: DelayedPicture) -> None:
        self._shown = shown
        self._there.set()

    def close(self) -> None:
        self._closed = True
        self._there.set()

    async def pictures(self) -> AsyncIterator[DelayedPicture]:
        """Each picture once, newest first served; ends when closed."""
        while True:
            await self._there.wait()
            self._there.clear()
            if self._closed:
                return
            if self._shown is not None:
                yield self._shown


@dataclass
class DelayGroup:
    """Viewers of one delay."""

    delay_s: float | None  # None = follow the estimate
    playout: Playout = field(default_factory=Playout)
    viewers: set[Viewer] = field(default_factory=set)
    shown: str = ""


class PreviewStream:
    """The pictures of one source, for all its viewers."""

    def __init__(self, bus: Bus, hub: Hub, cache: PictureCache, source_id: str, rules: DelayRules) -> None:
        self._cache = cache
        self.source_id = source_id
        self._bus = bus
        self._hub = hub
        self._keys = bus.keys(source_id)
        self.pictures: deque[CachedPicture] = deque()
        self._bytes = 0
        self._last_id = "0-0"
        self.estimate = Estimate(rules)
        self.groups: dict[str, DelayGroup] = {}
        self._heard: set[str] = set()
        self.holds = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> bool:
        return self.holds > 0 or any(group.viewers for group in self.groups.values())

    async def run(self) -> None:
        """Reads and shows pictures until the last viewer leaves."""
        self.pictures.clear()
        self._bytes = 0
        await self._begin()
        stop = self._hub.listen(self.source_id, self.hear)
        clock, loop = self._bus.clock, asyncio.get_running_loop()
        asked_s = polled_s = -1e9
        try:
            while self.watched:
                now_s = loop.time()
                try:
                    if now_s - asked_s >= WATCH_EVERY_S:
                        asked_s = now_s
                        with patient_errors():
                            await self._bus.redis.set(self._keys.watching(self.source_id), 1, px=WATCH_TTL_MS)
                    if now_s - polled_s >= POLL_S:
                        polled_s = now_s
                        await self._read()
                except RetryableError as error:
                    log.warning("pictures_interrupted", source_id=self.source_id, error=str(error))
                    await asyncio.sleep(0.5)
                self._advance(clock.now_s())
                await asyncio.sleep(TICK_S)
        finally:
            stop()

    async def _begin(self) -> None:
        """Starts the estimate from recent replies, so that the first picture already has its delay; and passes
        over old pictures.
        """
        try:
            with patient_errors():
                rows = await self._bus.redis.xrevrange(self._keys.feedback(self.source_id), count=300)
                newest = await self._bus.blobs.xrevrange(self._keys.display(self.source_id), count=1)
        except RetryableError:
            return
        if newest:
            ms = entry_order(newest[0][0].decode())[0] - int(self.estimate.rules.max_s * 1000)
            self._last_id = max(self._last_id, f"{max(ms, 0)}-0", key=entry_order)
        now_s = self._bus.clock.now_s()
        for _, event in reversed(read_rows(rows)):
            if isinstance(event, EndEvent) and event.kind == "feedback" and event.status == "done" and not event.silent:
                times = event.times
                if times.first_token_at_s and times.captured_at_s:
                    self.estimate.observe(times.first_token_at_s - times.captured_at_s, now_s)
        self.estimate.settle()

    async def hear(self, _event_id: str, event: Event) -> None:
        """Measures first tokens, as this clock sees them; keeps the picture that words are about."""
        if isinstance(event, DecisionEvent):
            self._keep(event.run, event.pts_s, spoken=event.action != "next")
        elif isinstance(event, StartEvent):
            self._keep(event.run, event.pts_s, spoken=True)
            if event.kind == "feedback" and event.attempt == 1:
                self._heard.add(event.request_id)
        elif isinstance(event, DeltaEvent) and event.request_id in self._heard:
            self._heard.discard(event.request_id)
            now_s = self._bus.clock.now_s()
            if event.times.captured_at_s:
                self.estimate.observe(now_s - event.times.captured_at_s, now_s)
        elif isinstance(event, EndEvent):
            self._heard.discard(event.request_id)

    def _keep(self, run: str, pts_s: float, *, spoken: bool) -> None:
        picture = self.at(run, pts_s)
        if picture is not None:
            self._cache.keep(self.source_id, pts_s, picture, spoken=spoken, now_s=self._bus.clock.monotonic_s())

    def at(self, run: str, pts_s: float, within_s: float = 0.5) -> CachedPicture | None:
        """The picture of this moment, if it is among the last seconds; `run` may be empty for any."""
        there = [item for item in self.pictures if run in ("", item.run)]
        best = min(there, key=lambda item: abs(item.pts_s - pts_s), default=None)
        return best if best is not None and abs(best.pts_s - pts_s) <= within_s else None

    async def _read(self) -> None:
        with patient_errors():
            rows = await self._bus.blobs.xrange(self._keys.display(self.source_id), f"({self._last_id}", "+", count=200)
        for raw_id, fields in rows:
            self._last_id = raw_id.decode()
            picture = read_picture(self._last_id, fields.get(streams.FIELD, b""))
            if picture is not None:
                self._take(picture)

    def _take(self, picture: CachedPicture) -> None:
        if self.pictures and picture.at_s < self.pictures[-1].at_s:
            self.pictures.clear()  # another clock, or a new ring
            self._bytes = 0
        self.pictures.append(picture)
        self._bytes += len(picture.jpeg)
        keep_from_s = picture.at_s - max((self._delay(group) for group in self.groups.values()), default=0.0) - 3.0
        while len(self.pictures) > 2 and (self.pictures[0].at_s < keep_from_s or self._bytes > KEEP_BYTES):
            self._bytes -= len(self.pictures.popleft().jpeg)

    def _delay(self, group: DelayGroup) -> float:
        return self.estimate.rules.max_s if group.delay_s is None else group.delay_s

    def _advance(self, now_s: float) -> None:
        if not self.pictures:
            return
        times = [picture.at_s for picture in self.pictures]
        target_s = self.estimate.target_s(now_s)
        for group in self.groups.values():
            delay_s = target_s if group.delay_s is None else group.delay_s
            position_s = group.playout.advance(now_s, times[0], delay_s)
            picture = self.pictures[max(0, bisect_right(times, position_s) - 1)]
            if picture.entry_id != group.shown:
                group.shown = picture.entry_id
                shown = DelayedPicture(picture, group.playout.lag_s(now_s), delay_s, group.playout.rate)
                for viewer in group.viewers:
                    viewer.show(shown)

    def close(self) -> None:
        self.holds = 0
        for group in self.groups.values():
            for viewer in group.viewers:
                viewer.close()


def read_picture(entry_id: str, body: bytes) -> CachedPicture | None:
    """A ring entry; None (and a log line) when it is malformed."""
    try:
        fields: dict[str, Any] = msgpack.unpackb(body)
        return CachedPicture(
            entry_id, str(fields["run"]), float(fields["pts_s"]), float(fields["at_s"]), bytes(fields["jpeg"])
        )
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        log.warning("picture_malformed", entry_id=entry_id, error=str(error))
        return None


class PreviewStreams:
    """The preview streams of all sources."""

    def __init__(self, bus: Bus, hub: Hub, spawn: Spawn) -> None:
        self._bus = bus
        self._hub = hub
        self._spawn = spawn
        web = bus.settings.gateway
        self._rules = DelayRules(alpha=web.delay_alpha, first_s=web.delay_first_s, max_s=web.delay_max_s)
        self.cache = PictureCache()
        self._previews: dict[str, PreviewStream] = {}
        self._closing = False

    def preview(self, source_id: str) -> PreviewStream:
        """The source's preview stream, created on first use."""
        preview = self._previews.get(source_id)
        if preview is None:
            preview = PreviewStream(self._bus, self._hub, self.cache, source_id, self._rules)
            self._previews[source_id] = preview
        return preview

    def at(self, source_id: str, run: str, pts_s: float) -> CachedPicture | None:
        """The picture of this moment, if people watched it; `run` may be empty for any, of the last seconds."""
        preview = self._previews.get(source_id)
        return self.cache.at(source_id, run, pts_s) or (preview.at(run, pts_s) if preview else None)

    def _wake(self, preview: PreviewStream) -> None:
        if not self._closing and (preview.task is None or preview.task.done()):
            preview.task = self._spawn(preview.run())

    @contextlib.contextmanager
    def watch(self, source_id: str, delay_s: float | None) -> Iterator[Viewer]:
        """A viewer of the source at this delay (None = auto)."""
        preview, viewer = self.preview(source_id), Viewer()
        name = AUTO if delay_s is None else f"{delay_s:g}"
        group = preview.groups.get(name)
        if group is None or not group.viewers:
            group = preview.groups[name] = DelayGroup(delay_s)
        group.viewers.add(viewer)
        self._wake(preview)
        try:
            yield viewer
        finally:
            group.viewers.discard(viewer)
            if not group.viewers and preview.groups.get(name) is group:
                del preview.groups[name]

    async def newest(self, source_id: str, wait_s: float) -> CachedPicture | None:
        """The newest picture, waiting a little for capture to begin making them."""
        preview = self.preview(source_id)
        preview.holds += 1
        self._wake(preview)
        try:
            loop = asyncio.get_running_loop()
            give_up_s, fresh_from_s = loop.time() + wait_s, self._bus.clock.now_s() - 2.0
            while loop.time() < give_up_s and not self._closing:
                if preview.pictures and preview.pictures[-1].at_s >= fresh_from_s:
                    break
                await asyncio.sleep(POLL_S)
            return preview.pictures[-1] if preview.pictures else None
        finally:
            preview.holds -= 1

    def forget(self, source_id: str) -> None:
        """Drops a removed source."""
        self.cache.forget(source_id)
        preview = self._previews.pop(source_id, None)
        if preview is not None:
            preview.close()

    def sweep(self) -> None:
        """Frees pictures of sources without viewers, and old moments."""
        for source_id, preview in list(self._previews.items()):
            if not preview.watched and (preview.task is None or preview.task.done()):
                preview.pictures.clear()
                del self._previews[source_id]
        self.cache.sweep(self._bus.clock.monotonic_s())

    @property
    def viewers(self) -> int:
        return sum(len(group.viewers) for preview in self._previews.values() for group in preview.groups.values())

    def close(self) -> None:
        self._closing = True
        for preview in self._previews.values():
            preview.close()
