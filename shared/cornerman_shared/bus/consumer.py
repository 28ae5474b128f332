"""Reads work from streams with a consumer group.

The consumer reads only as many entries as it has free slots. It claims the entries in hand again every
`heartbeat_ms`, so that `idle_ms` is independent of how long work takes. At start and after each reconnect it drains
its own pending entries. It reclaims entries of dead consumers, buries entries that are malformed or were delivered too
often, creates a lost group again, and reconnects to a lost server. No other code retries reads.

With a `lease` the consumer owns its streams alone, so it reclaims every pending entry at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self

import redis.exceptions

from cornerman_shared.aio import BASE_S, cancel_all, retry
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.delivery import Delivery, M
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.messages import DeadLetter
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import MalformedError, RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease

Tombstone = Callable[[M, str], Hop]

FORGET_CONSUMER_MS = 3_600_000
RECLAIM_PAGE = 100
RECLAIM_EVERY_S = 1.0
"""Entries that a consumer released at its end are with another one after this and one blocking read."""

log = get_logger("consumer")


class Consumer(Generic[M]):
    """Reads messages of one type with one consumer group.

    Args:
        bus: an open bus.
        keys: streams to read.
        group: consumer group.
        kind: message type of the streams.
        name: of this consumer; unique among live processes of the group.
        slots: upper bound of entries in hand.
        lease: makes this the only consumer; None = consumers compete.
        suspects_alone: `take` returns an entry that was delivered before alone, and only `try_alone` counts as another
            delivery, so that an entry that kills its workers is buried and none that waited beside it.
        tombstone: hop to run when a message is buried, so that the next stage does not wait for it.
        count: called with the outcome of each entry: committed, buried, lost, released or trimmed.
    """

    def __init__(
        self,
        bus: Bus,
        keys: Sequence[str],
        group: str,
        kind: type[M],
        name: str,
        *,
        slots: int = 8,
        lease: Lease | None = None,
        suspects_alone: bool = False,
        tombstone: Tombstone[M] | None = None,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._bus = bus
        self._settings = bus.settings.bus
        self._streams = list(keys)
        self._group = group
        self._kind = kind
        self._name = name
        self._slots = slots
        self._lease = lease
        self._suspects_alone = suspects_alone
        self._tombstone = tombstone
        self._count = count
        self._client = bus.blocking_client(self._settings.block_ms / 1000)
        self._held: dict[tuple[str, str], Delivery[M]] = {}
        self._waiting: deque[Delivery[M]] = deque()
        self._changed = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.trimmed = 0
        self.reclaimed = 0
        self.buried = 0

    @property
    def busy(self) -> int:
        """Entries in hand."""
        return len(self._held)

    async def take(self, limit: int = 1) -> list[Delivery[M]]:
        """Waits for at least one entry; returns at most `limit`, or none once the consumer stops."""
        while not self._waiting:
            self._raise_if_broken()
            if self._stopping:
                return []
            self._changed.clear()
            await self._changed.wait()
        # Entries leave `_waiting` here but stay in `_held` until they are settled, so slots bound both.
        taken = [self._waiting.popleft()]
        while (
            self._waiting
            and len(taken) < limit
            and not (self._is_suspect(taken[0]) or self._is_suspect(self._waiting[0]))
        ):
            taken.append(self._waiting.popleft())
        return taken

    def _is_suspect(self, delivery: Delivery[M]) -> bool:
        return self._suspects_alone and delivery.deliveries > 1

    async def try_alone(self, delivery: Delivery[M]) -> None:
        """Counts the delivery of a suspect that is about to be worked on; does nothing for other entries."""
        if self._is_suspect(delivery):
            await self._set_deliveries(delivery.stream, delivery.entry_id, delivery.deliveries)

    async def _set_deliveries(self, stream: str, entry_id: str, deliveries: int) -> None:
        with redis_errors():
            # RETRYCOUNT sets the stored count; the next XCLAIM of a reclaim adds one to it.
            await self._bus.redis.xclaim(
                stream, self._group, self._name, 0, [entry_id], retrycount=deliveries, justid=True
            )

    def waiting(self) -> int:
        """Entries read but not yet taken."""
        return len(self._waiting)

    def stop(self) -> None:
        """Stops reading. Entries in hand may still be committed."""
        self._stopping = True
        self._changed.set()

    async def settle(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        result = await self._settle(delivery, hop)
        if result in (HopResult.DONE, HopResult.ONLY_SETTLED, HopResult.DONE_BEFORE):
            self._count("committed")
        return result

    async def _settle(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        lease = self._lease
        try:
            result = await hop.run(
                self._bus.scripts,
                stream=delivery.stream,
                group=self._group,
                entry_id=delivery.entry_id,
                fence=lease.fence if lease else "",
                generation=lease.generation if lease else 0,
            )
        except RetryableError:
            delivery.unanswered = True
            raise
        is_repeat = result is HopResult.SETTLED_BEFORE and delivery.was_settled_by_us
        return HopResult.DONE_BEFORE if is_repeat else result

    async def bury(self, delivery: Delivery[M], reason: str, also: Hop | None) -> HopResult:
        result = await self._settle(delivery, self._burial(delivery, reason).extend(also or Hop()))
        if result in (HopResult.DONE, HopResult.ONLY_SETTLED, HopResult.DONE_BEFORE):
            self.buried += 1
            self._count("buried")
            log.warning("entry_buried", stream=delivery.stream, entry_id=delivery.entry_id, reason=reason)
        return result

    async def release(self, delivery: Delivery[M]) -> None:
        """Sets the entry's idle time above `idle_ms`, so that another consumer may reclaim it at once."""
        self._count("released")
        with redis_errors():
            await self._bus.redis.xclaim(
                delivery.stream,
                self._group,
                self._name,
                0,
                [delivery.entry_id],
                # above `idle_ms`, so that the next reclaim of any consumer takes it
                idle=self._settings.idle_ms * 2,
                justid=True,
            )

    def free_slot(self, delivery: Delivery[M]) -> None:
        self._held.pop((delivery.stream, delivery.entry_id), None)
        self._changed.set()

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._read_loop(), name=f"consumer:{self._group}:read"),
            asyncio.create_task(self._heartbeat_loop(), name=f"consumer:{self._group}:heartbeat"),
        ]
        for task in self._tasks:
            # Wakes `take`, which raises the error of a failed loop.
            task.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        await cancel_all(*self._tasks)
        with contextlib.suppress(RetryableError, redis.exceptions.ResponseError):
            # Entries are released before the consumer leaves the group: XGROUP DELCONSUMER would drop pending ones.
            for delivery in list(self._held.values()):
                await delivery.release()
            for stream in self._streams:
                await self._bus.scripts.run("leave", [stream], [self._group, self._name, FORGET_CONSUMER_MS])
        await self._bus.close_client(self._client)

    async def _read_loop(self) -> None:
        while not self._stopping:
            try:
                await retry(self._prepare, keep_trying=lambda: not self._stopping, report=self._report)
                await self._read_until_error()
            except RetryableError as error:
                self._report(error)
                await asyncio.sleep(BASE_S)
            except redis.exceptions.ResponseError as error:
                # NOGROUP: the stream or its group was deleted; the next `_prepare` creates it from the first entry.
                if not str(error).startswith("NOGROUP"):
                    raise
                log.warning("group_recreated", group=self._group)

    async def _prepare(self) -> None:
        await self._create_groups()
        await self._drain_own()

    def _report(self, error: Exception) -> None:
        log.warning("consumer_interrupted", group=self._group, error=str(error))

    async def _read_until_error(self) -> None:
        clock = self._bus.clock
        reclaim_at_s = clock.monotonic_s()
        while not self._stopping:
            free = await self._free_slots()
            if clock.monotonic_s() >= reclaim_at_s:
                await self._reclaim(free)
                reclaim_at_s = clock.monotonic_s() + min(RECLAIM_EVERY_S, self._settings.idle_ms / 2000)
                continue  # reclaiming may have used slots
            await self._deliver(await self._read(free, ">"), deliveries=1)

    async def _free_slots(self) -> int:
        while len(self._held) >= self._slots and not self._stopping:
            self._changed.clear()
            await self._changed.wait()
        return max(self._slots - len(self._held), 1)

    async def _create_groups(self) -> None:
        for stream in self._streams:
            try:
                with redis_errors():
                    await self._client.xgroup_create(stream, self._group, id="0", mkstream=True)
            except redis.exceptions.ResponseError as error:
                # BUSYGROUP: another consumer created the group first.
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def _drain_own(self) -> None:
        """Takes entries that are pending under our name but not in hand: a reply was lost, or the process restarted."""
        # With an id instead of `>`, XREADGROUP returns entries pending under our name.
        after = dict.fromkeys(self._streams, "0")
        while after:
            with redis_errors():
                reply = await self._client.xreadgroup(self._group, self._name, after, count=RECLAIM_PAGE)
            after = {}
            for raw_key, entries in reply or ():
                if entries:
                    after[raw_key.decode()] = entries[-1][0].decode()
            for key, entries in streams.entries_of(reply):
                for entry_id, body in entries:
                    if (key, entry_id) not in self._held:
                        await self._accept(key, entry_id, body, await self._times_delivered(key, entry_id))

    async def _read(self, free: int, after: str) -> list[tuple[str, list[tuple[str, bytes | None]]]]:
        # COUNT applies to each stream; rounding down keeps the total within the free slots.
        each = max(1, free // len(self._streams))
        with redis_errors():
            reply = await self._client.xreadgroup(
                self._group,
                self._name,
                dict.fromkeys(self._streams, after),
                count=each,
                block=self._settings.block_ms,
            )
        return streams.entries_of(reply)

    async def _deliver(self, found: list[tuple[str, list[tuple[str, bytes | None]]]], deliveries: int) -> None:
        for stream, entries in found:
            for entry_id, body in entries:
                await self._accept(stream, entry_id, body, deliveries)

    async def _reclaim(self, free: int) -> None:
        """Claims entries without a heartbeat; with a lease, every pending entry that is not in hand."""
        idle_ms = 0 if self._lease else self._settings.idle_ms
        for stream in self._streams:
            with redis_errors():
                pending = await self._client.xpending_range(
                    stream, self._group, "-", "+", RECLAIM_PAGE + len(self._held), idle=idle_ms
                )
            for entry in pending:
                if free <= 0:
                    return
                entry_id = streams.text_of(entry["message_id"])
                # Our own entries look idle when a heartbeat is late; they must not be delivered twice.
                if (stream, entry_id) in self._held:
                    continue
                with redis_errors():
                    # XCLAIM checks the idle time again, so that only one of several consumers gets the entry.
                    claimed = await self._client.xclaim(stream, self._group, self._name, idle_ms, [entry_id])
                for raw_id, fields in claimed:
                    if raw_id is not None:
                        free -= 1
                        self.reclaimed += 1
                        await self._accept(stream, entry_id, streams.body_of(fields), int(entry["times_delivered"]) + 1)

    async def _times_delivered(self, stream: str, entry_id: str) -> int:
        with redis_errors():
            pending = await self._client.xpending_range(stream, self._group, entry_id, entry_id, 1)
        return int(pending[0]["times_delivered"]) if pending else 1

    async def _accept(self, stream: str, entry_id: str, body: bytes | None, deliveries: int) -> None:
        if body is None:
            # MAXLEN trimmed the entry while it was pending; it is delivered without fields until it is acknowledged.
            self.trimmed += 1
            self._count("trimmed")
            log.warning("entry_trimmed", stream=stream, entry_id=entry_id)
            with redis_errors():
                await self._client.xack(stream, self._group, entry_id)
            return
        try:
            message = unpack(body, self._kind)
        except MalformedError as error:
            await self._bury_unread(stream, entry_id, body, deliveries, str(error))
            return
        delivery = Delivery(self, stream, entry_id, body, message, deliveries)
        # An entry that kills its workers would circulate without end.
        if deliveries > self._settings.max_deliveries:
            reason = f"delivered {deliveries - 1} times without being settled"
            also = self._tombstone(message, reason) if self._tombstone else None
            await self.bury(delivery, reason, also)
            return
        if self._is_suspect(delivery):
            await self._set_deliveries(stream, entry_id, deliveries - 1)
        self._held[stream, entry_id] = delivery
        self._waiting.append(delivery)
        self._changed.set()

    async def _bury_unread(self, stream: str, entry_id: str, body: bytes, deliveries: int, reason: str) -> None:
        nothing: Any = None
        await self.bury(Delivery(self, stream, entry_id, body, nothing, deliveries), reason, None)

    def _burial(self, delivery: Delivery[M], reason: str) -> Hop:
        entry, now_s = delivery, self._bus.clock.now_s()
        letter = DeadLetter(
            entry.stream, self._group, entry.entry_id, self._name, entry.deliveries, reason, now_s, entry.body
        )
        return Hop().add(streams.dead_stream(delivery.stream), letter, self._settings.dead_maxlen)

    async def _heartbeat_loop(self) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_ms / 1000)
            for stream in self._streams:
                # Also entries that wait to be taken: another consumer must not reclaim them.
                ids = [entry_id for key, entry_id in self._held if key == stream]
                if not ids:
                    continue
                try:
                    lost, settled = await self._bus.scripts.run("heartbeat", [stream], [self._group, self._name, *ids])
                except (RetryableError, redis.exceptions.ResponseError) as error:
                    log.warning("heartbeat_failed", stream=stream, error=str(error))
                    continue
                for raw in (*lost, *settled):
                    self._drop_lost(stream, streams.text_of(raw), is_settled=raw in settled)

    def _drop_lost(self, stream: str, entry_id: str, *, is_settled: bool) -> None:
        """Frees the slot of an entry that another consumer holds or that is settled; its worker sees `lost`."""
        delivery = self._held.pop((stream, entry_id), None)
        if delivery is not None:
            delivery.settled = is_settled
            delivery.lost.set()
            self._count("committed" if delivery.was_settled_by_us else "lost")
            with contextlib.suppress(ValueError):
                self._waiting.remove(delivery)
            self._changed.set()

    def _raise_if_broken(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
