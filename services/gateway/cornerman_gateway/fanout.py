"""Fan-out of one subscription to many clients with bounded queues; a slow client loses its own oldest events.

An `EventFeed` follows one feedback stream (of a source, or of all sources of a shard) once for all its clients.
A client that reconnects with the ids of the last events it saw gets the kept events behind them, then live events,
without gap or repeat: it joins the live feed before it reads the history, and skips events it has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cornerman_gateway.core import event_json, format_cursor, named, sse
from cornerman_gateway.rows import read_rows
from cornerman_shared.aio import retry
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.bus.streams import FIRST_ID, entry_order
from cornerman_shared.bus.subscribe import follow
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.aio import Spawn
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import Event

log = get_logger("gateway")

PAGE = 100
LINGER_S = 5.0
"""A feed without clients ends after this time, so a page that reloads finds it still running."""

READERS = 2
"""Pages of history read at once: many clients that come back together must not hold up those that are live."""

FOLLOW_S = 10.0
"""A feed that has not begun after this time has no server; the client is disconnected and tries again."""

Listener: TypeAlias = "Callable[[str, Event], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Item:
    """One event, serialised once for all clients."""

    stream: int  # which of the client's streams
    event_id: str
    name: str
    json: str
    frame: bytes  # the server-sent event, less its id
    traceparent: str = ""

    @classmethod
    def of(cls, stream: int, event_id: str, event: Event) -> Item:
        name, json = named(event), event_json(event)
        return cls(stream, event_id, name, json, sse(name, json), getattr(event, "traceparent", ""))

    def sse(self, cursor: str) -> bytes:
        """As a server-sent event whose id is the client's cursor."""
        return b"id: %b\n%b" % (cursor.encode(), self.frame)

    def message(self, cursor: str) -> str:
        """As a WebSocket message: the same JSON, with the cursor under `id`."""
        return f'{{"id":"{cursor}",{self.json[1:]}'


@dataclass(frozen=True, slots=True)
class Missed:
    """Events that this client did not get: `count` of them (None = trimmed from the stream), behind `after`."""

    count: int | None
    after: str


Sent: TypeAlias = tuple[Item, str]
"""An event, and the client's cursor once it has it."""
Batch: TypeAlias = tuple[Missed | None, list[Sent]]


class Client:
    """One client. `batches()` yields the events to send."""

    def __init__(self, bound: int, cursor: Sequence[str | None]) -> None:
        self._queue: deque[Item] = deque()
        self._bound = bound
        self._there = asyncio.Event()
        self._closed = False
        self.cursor: list[str] = [item or FIRST_ID for item in cursor]
        self.skipped = 0
        self.skipped_total = 0
        self.has_gap = False  # events before those in the queue were trimmed; how many is unknown

    def offer(self, item: Item) -> None:
        """Queues an event; with a full queue the oldest one is lost and counted."""
        if len(self._queue) >= self._bound:
            self._queue.popleft()
            self.skipped += 1
            self.skipped_total += 1
        self._queue.append(item)
        self._there.set()

    @property
    def half_full(self) -> bool:
        return len(self._queue) * 2 >= self._bound

    def close(self) -> None:
        """Ends `batches()`."""
        self._closed = True
        self._there.set()

    async def batches(self) -> AsyncIterator[Batch]:
        """Yields (gap before these events, events) as they come, until the client is closed."""
        while True:
            await self._there.wait()
            self._there.clear()
            if self._closed:
                return
            missed: Missed | None = None
            if self.skipped or self.has_gap:
                missed = Missed(None if self.has_gap else self.skipped, format_cursor(self.cursor))
            self.skipped, self.has_gap = 0, False
            sent = self.see(self._queue)
            self._queue.clear()
            if sent or missed:
                yield missed, sent

    def see(self, items: Iterable[Item]) -> list[Sent]:
        """What of these was not yet seen, each with the cursor behind it."""
        out = []
        for item in items:
            if entry_order(item.event_id) > entry_order(self.cursor[item.stream]):
                self.cursor[item.stream] = item.event_id
                out.append((item, format_cursor(self.cursor)))
        return out


class EventFeed:
    """One stream, followed once."""

    def __init__(self, bus: Bus, key: str) -> None:
        self.bus = bus
        self.key = key
        self.clients: dict[Client, int] = {}
        self.listeners: list[Listener] = []
        self.task: asyncio.Task[None] | None = None
        self.following = asyncio.Event()
        self._at: str | None = None
        self.idle_since_s: float | None = None

    @property
    def wanted(self) -> bool:
        return bool(self.clients or self.listeners)

    async def run(self) -> None:
        """Follows the stream from now on, or from where it was interrupted."""
        if self._at is None:
            self._at = await self.newest()
        self.following.set()
        block_ms = self.bus.settings.bus.block_ms
        events = follow(self.bus, [self.key], since=self._at, block_ms=block_ms, gap=self._on_gap)
        async with contextlib.aclosing(events):  # type: ignore[type-var]
            async for event_id, event in events:
                self._at = event_id
                await self.deliver(event_id, event)

    def _on_gap(self, event_id: str) -> None:
        log.warning("feed_has_a_gap", stream=self.key, after=event_id)
        for client in self.clients:
            client.has_gap = True

    async def deliver(self, event_id: str, event: Event) -> None:
        """Offers one event to all clients and listeners."""
        if self.clients:
            made: dict[int, Item] = {}
            for client, stream in self.clients.items():
                if stream not in made:
                    made[stream] = Item.of(stream, event_id, event)
                client.offer(made[stream])
            if any(client.half_full for client in self.clients):
                await asyncio.sleep(0)  # a burst: let those that can keep up do so
        for listener in list(self.listeners):
            await listener(event_id, event)

    async def newest(self) -> str:
        """Id of the newest entry; `0-0` for an empty stream."""
        with patient_errors():
            return await self.bus.newest_id(self.key)

    async def page(self, after: str) -> tuple[list[tuple[str, Event]], str | None]:
        """Reads a page of events behind `after`; returns them and the start of the next page, None = last page."""
        with patient_errors():
            rows = await self.bus.redis.xrange(self.key, f"({after}", "+", count=PAGE)
        return read_rows(rows), rows[-1][0].decode() if len(rows) == PAGE else None


class Hub:
    """The feeds that have clients. `spawn` starts a task that lives as long as the gateway."""

    def __init__(self, bus: Bus, spawn: Spawn) -> None:
        self._bus = bus
        self._spawn = spawn
        self._feeds: dict[str, EventFeed] = {}
        self._closing = False
        self._readers = asyncio.Semaphore(READERS)

    def keys_of(self, source_id: str | None) -> list[str]:
        """Streams of a source, or of all sources."""
        if source_id is None:
            return [keys.feedback_all for keys in self._bus.all_keys()]
        return [self._bus.keys(source_id).feedback(source_id)]

    def feed(self, key: str) -> EventFeed:
        """The feed of a stream, started if need be."""
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = EventFeed(self._bus, key)
        return feed

    def start(self, feed: EventFeed) -> None:
        """Follows the stream if it is not yet followed. Call after adding the client or listener."""
        if feed.task is None and not self._closing:
            feed.task = self._spawn(self._run(feed))

    async def _run(self, feed: EventFeed) -> None:
        def report(error: Exception) -> None:
            log.warning("feed_interrupted", stream=feed.key, error=str(error))

        while True:
            await retry(feed.run, report=report)

    @contextlib.asynccontextmanager
    async def join(self, source_id: str | None, since: list[str] | None, bound: int) -> AsyncIterator[Client]:
        """A client on the streams of `source_id`, to be told of everything behind `since` (None = from now on).

        Its queue fills while the block runs. Send what `catch_up` gives first, then what `batches` gives.

        Raises:
            RetryableError: no answer from the server.
        """
        keys = self.keys_of(source_id)
        cursor = since or [await EventFeed(self._bus, key).newest() for key in keys]
        feeds = [self.feed(key) for key in keys]
        client = Client(bound, cursor)
        # Registered before the next await: every later event is queued, or is in the stream already.
        for index, feed in enumerate(feeds):
            feed.clients[client] = index
            self.start(feed)
        try:
            # Only events behind the feed's start are sure to reach the queue, so history is read after that.
            try:
                async with asyncio.timeout(FOLLOW_S):
                    for feed in feeds:
                        await feed.following.wait()
            except TimeoutError:
                raise RetryableError(f"no answer from the server within {FOLLOW_S:g} s") from None
            yield client
        finally:
            for feed in feeds:
                feed.clients.pop(client, None)

    async def catch_up(self, client: Client, source_id: str | None) -> AsyncIterator[Batch]:
        """Yields kept events behind the client's cursor, until it has caught up with its queue."""
        for index, key in enumerate(self.keys_of(source_id)):
            feed = EventFeed(self._bus, key)
            after: str | None = client.cursor[index]
            if after is not None and await self._bus.trimmed_behind(key, after):
                yield Missed(None, format_cursor(client.cursor)), []
            while after is not None:
                async with self._readers:
                    rows, after = await feed.page(after)
                    items = [Item.of(index, event_id, event) for event_id, event in rows]
                yield None, client.see(items)

    async def history(self, source_id: str) -> list[tuple[str, Event]]:
        """Everything a source's stream still holds."""
        feed = EventFeed(self._bus, self.keys_of(source_id)[0])
        out: list[tuple[str, Event]] = []
        after: str | None = FIRST_ID
        while after is not None:
            async with self._readers:
                rows, after = await feed.page(after)
            out += rows
        return out

    def listen(self, source_id: str, listener: Listener) -> Callable[[], None]:
        """Calls `listener` for every event of a source from now on; returns what ends it."""
        feed = self.feed(self.keys_of(source_id)[0])
        feed.listeners.append(listener)
        self.start(feed)

        def stop() -> None:
            if listener in feed.listeners:
                feed.listeners.remove(listener)

        return stop

    def sweep(self) -> None:
        """Ends feeds that had no client for `LINGER_S`. Called about once a second."""
        now_s = asyncio.get_running_loop().time()
        for key, feed in list(self._feeds.items()):
            if feed.wanted:
                feed.idle_since_s = None
            elif feed.idle_since_s is None:
                feed.idle_since_s = now_s
            elif now_s - feed.idle_since_s > LINGER_S:
                if feed.task is not None:
                    feed.task.cancel()
                del self._feeds[key]

    @property
    def clients(self) -> int:
        return sum(len(feed.clients) for feed in self._feeds.values())

    def close(self) -> None:
        """Lets every client go, so that their connections end in order."""
        self._closing = True
        for feed in self._feeds.values():
            for client in list(feed.clients):
                client.close()
            if feed.task is not None:
                feed.task.cancel()
