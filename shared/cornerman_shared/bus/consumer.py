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
from cornerman_shared.errors import MalformedError, RetryableError, is_contained
from cornerman_shared.process.logs import about, get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.group_reader import PendingEntry
    from cornerman_shared.bus.lease import Lease

Tombstone = Callable[[M, str], Hop]

FORGET_CONSUMER_MS = 3_600_000
RECLAIM_PAGE = 100
PARTS_PAGE = 256  # entries read at once by a consumer whose parts bound them
HEARTBEAT_PAGE = 256  # entries of one heartbeat script, which blocks the server while it runs
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
        slots: upper bound of entries in hand, of all streams together.
        part_of: makes `slots` the bound of each part, e.g. of each source, so that a full one does not stop the others;
            needs a lease.
        lease: makes this the only consumer; None = consumers compete.
        alone_from: an entry that is delivered for the n-th time is a suspect: it may have killed its workers. It is
            claimed by a consumer with nothing else in hand, which reads nothing until it is settled. 0 = never.
        count_begun: a delivery after the first counts only once its worker calls `Delivery.begin`, so that an entry
            that kills its workers is buried and none that waited beside it.
        erase_buried: deletes buried entries, so that a group that is created again does not deliver them.
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
        part_of: Callable[[M], str] | None = None,
        lease: Lease | None = None,
        alone_from: int = 0,
        count_begun: bool = False,
        erase_buried: bool = False,
        tombstone: Tombstone[M] | None = None,
        count: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._bus = bus
        self._settings = bus.settings.bus
        self._group = group
        self._kind = kind
        self._name = name
        self._lease = lease
        self._alone_from = alone_from
        self._count_begun = count_begun
        self._erase_buried = erase_buried
        self._tombstone = tombstone
        self._count = count
        self._reader = bus.group_reader(keys, group, name, slots, part_of)
        self._hand = self._reader.hand
        self._changed = asyncio.Event()
        self._suspects_wait = False
        self._stopping = False
        self._reported = ""
        self._tasks: list[asyncio.Task[None]] = []
        self.trimmed = 0
        self.reclaimed = 0
        self.buried = 0

    @property
    def busy(self) -> int:
        """Entries in hand."""
        return len(self._hand)

    @property
    def _limit(self) -> int:
        """Deliveries after which an entry is buried."""
        most = self._settings.max_deliveries
        if not self._alone_from:
            return most
        # Alone it is guilty sooner, and each try costs the others a restart.
        return min(most, self._alone_from + most // 3)

    async def take(self, limit: int = 1) -> list[Delivery[M]]:
        """Waits for at least one entry; returns at most `limit`, or none once the consumer stops."""
        while not self._hand.waiting():
            self._raise_if_broken()
            if self._stopping:
                return []
            self._changed.clear()
            await self._changed.wait()
        # Entries stay in hand until they are settled, so slots bound those taken too.
        taken = self._hand.take(limit, self._is_suspect)
        if (tracer := self._bus.tracer) is not None:
            for delivery in taken:
                delivery.trace(tracer, self._group)
        return taken

    def _is_suspect(self, delivery: Delivery[M]) -> bool:
        return 0 < self._alone_from <= delivery.deliveries

    async def begin(self, delivery: Delivery[M]) -> None:
        if self._count_begun and delivery.deliveries > 1 and not delivery.lost.is_set():
            await self._reader.keep(delivery.stream, delivery.entry_id, deliveries=delivery.deliveries)

    def waiting(self) -> int:
        """Entries read but not yet taken."""
        return self._hand.waiting()

    def stop(self) -> None:
        """Stops reading. Entries in hand may still be committed."""
        self._stopping = True
        self._changed.set()

    async def settle(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        result = await self._settle(delivery, hop)
        # A heartbeat between two tries has counted the entry already, and taken it out of hand.
        if result in (HopResult.DONE, HopResult.ONLY_SETTLED, HopResult.DONE_BEFORE) and self._hand.holds(delivery):
            self._count("committed")
        return result

    async def _settle(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        delivery.settling = True
        try:
            result = await self._send(delivery, hop)
        except redis.exceptions.ResponseError:
            # The entry is not at fault if a key of its source is damaged. A decider also has to read its state again.
            if self._lease is not None:
                raise
            await self._bus.mend(delivery.message, self._group)
            result = await self._send(delivery, hop)
        except RetryableError:
            delivery.unanswered = True
            raise
        finally:
            delivery.settling = False
        is_repeat = result is HopResult.SETTLED_BEFORE and delivery.was_settled_by_us
        return HopResult.DONE_BEFORE if is_repeat else result

    async def _send(self, delivery: Delivery[M], hop: Hop) -> HopResult:
        lease = self._lease
        return await hop.run(
            self._bus.scripts,
            stream=delivery.stream,
            group=self._group,
            entry_id=delivery.entry_id,
            fence=lease.fence if lease else "",
            generation=lease.generation if lease else 0,
        )

    async def bury(self, delivery: Delivery[M], reason: str, also: Hop | None) -> HopResult:
        result = await self._settle(delivery, self._burial(delivery, reason).extend(also or Hop()))
        if result in (HopResult.DONE, HopResult.ONLY_SETTLED, HopResult.DONE_BEFORE):
            self.buried += 1
            self._count("buried")
            with about(delivery.message):
                log.warning("entry_buried", stream=delivery.stream, entry_id=delivery.entry_id, reason=reason)
        return result

    async def release(self, delivery: Delivery[M]) -> None:
        """Sets the entry's idle time above `idle_ms`, so that another consumer may reclaim it at once."""
        self._count("released")
        await self._reader.keep(delivery.stream, delivery.entry_id, idle_ms=self._settings.idle_ms * 2)

    def free_slot(self, delivery: Delivery[M]) -> None:
        self._hand.remove(delivery)
        delivery.end_trace()
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
            for delivery in self._hand.held():
                await delivery.release()
            await self._reader.leave(FORGET_CONSUMER_MS)
        await self._reader.close()
        await self._bus.close_client(self._reader.client)

    async def _read_loop(self) -> None:
        while not self._stopping:
            try:
                await retry(self._prepare, keep_trying=lambda: not self._stopping, report=self._report)
                await self._read_until_error()
            except RetryableError as error:
                self._report(error)
                self._hand.forget_deferred()  # a reclaim delivers them, or a group that was created again
                await asyncio.sleep(BASE_S)

    async def _prepare(self) -> None:
        await self._reader.create_groups()
        await self._keep_held()  # after a lost group no entry in hand is ours any more
        await self._drain_own()

    def _report(self, error: Exception) -> None:
        # Each cause once: a key that is wrong stays so until an operator mends it.
        if str(error) != self._reported:
            log.warning("consumer_interrupted", group=self._group, error=str(error))
        self._reported = str(error)

    async def _read_until_error(self) -> None:
        clock = self._bus.clock
        reclaim_at_s = clock.monotonic_s()
        while not self._stopping:
            await self._accept_due()
            free = await self._free_slots()
            if self._suspects_wait or clock.monotonic_s() >= reclaim_at_s:
                if not await self._reader.is_prepared():
                    await self._prepare()
                await self._reclaim(free)
                reclaim_at_s = clock.monotonic_s() + min(RECLAIM_EVERY_S, self._settings.idle_ms / 2000)
                continue  # reclaiming may have used slots
            for stream, entry_id, body in await self._reader.read(free):
                await self._accept(stream, entry_id, body, 1)

    async def _free_slots(self) -> int:
        """Waits until entries may be read, and returns how many; while suspects wait, until nothing is in hand."""
        while not self._stopping and not self._may_read():
            self._changed.clear()
            await self._changed.wait()
        return max(self._hand.free(PARTS_PAGE), 1)

    def _may_read(self) -> bool:
        if self._suspects_wait:
            return len(self._hand) == 0
        return self._hand.free(PARTS_PAGE) > 0 and not (
            self._alone_from and any(self._is_suspect(delivery) for delivery in self._hand.held())
        )

    async def _drain_own(self) -> None:
        """Takes entries that are pending under our name but not in hand: a reply was lost, or the process restarted."""
        for stream, entry_id, body in await self._reader.own_pending():
            if self._hand.knows(stream, entry_id):
                continue
            deliveries = await self._reader.deliveries(stream, entry_id)
            if body is not None and (self._hand.free(PARTS_PAGE) == 0 or 0 < self._alone_from <= deliveries):
                # A reclaim takes it when there is room for it.
                idle_ms = self._settings.idle_ms * 2
                await self._reader.keep(stream, entry_id, deliveries=deliveries - 1, idle_ms=idle_ms)
            else:
                await self._accept(stream, entry_id, body, deliveries)

    async def _accept_due(self) -> None:
        for stream, entry_id, deliveries in self._hand.due():
            await self._accept(stream, entry_id, await self._reader.body(stream, entry_id), deliveries)

    async def _reclaim(self, free: int) -> None:
        """Claims entries without a heartbeat; with a lease, every pending entry that is not in hand."""
        idle_ms = 0 if self._lease else self._settings.idle_ms
        self._suspects_wait = False
        for stream in self._reader.streams:
            for entry in await self._reader.pending(stream, idle_ms, RECLAIM_PAGE + len(self._hand)):
                # Our own entries look idle when a heartbeat is late; they must not be delivered twice.
                if self._hand.knows(stream, entry.entry_id):
                    continue
                suspect = 0 < self._alone_from <= entry.deliveries + 1
                if suspect and len(self._hand) > 0:
                    self._suspects_wait = True
                    return
                if free <= 0:
                    return
                if await self._claim(entry, idle_ms):
                    free -= 1

    async def _claim(self, entry: PendingEntry, idle_ms: int) -> bool:
        found = await self._reader.claim(entry, idle_ms)
        if found is None:
            return False
        self.reclaimed += 1
        await self._accept(*found, entry.deliveries + 1)
        return True

    async def _accept(self, stream: str, entry_id: str, body: bytes | None, deliveries: int) -> None:
        if body is None:
            # MAXLEN trimmed the entry while it was pending; it is delivered without fields until it is acknowledged.
            self.trimmed += 1
            self._count("trimmed")
            log.warning("entry_trimmed", stream=stream, entry_id=entry_id)
            await self._reader.acknowledge(stream, entry_id)
            return
        try:
            message = unpack(body, self._kind)
        except MalformedError as error:
            nothing: Any = None
            await self.bury(Delivery(self, stream, entry_id, body, nothing, deliveries), str(error), None)
            return
        delivery = Delivery(self, stream, entry_id, body, message, deliveries)
        # An entry that kills its workers would circulate without end.
        if deliveries > self._limit:
            await self._bury_worn(delivery)
            return
        if self._count_begun and deliveries > 1:
            await self._reader.keep(stream, entry_id, deliveries=deliveries - 1)
        if self._hand.add(delivery):
            self._changed.set()

    async def _bury_worn(self, delivery: Delivery[M]) -> None:
        reason = f"delivered {delivery.deliveries - 1} times without being settled"
        try:
            await self.bury(delivery, reason, self._tombstone(delivery.message, reason) if self._tombstone else None)
        except Exception as error:
            if not is_contained(error):
                raise
            # The letter alone: a tombstone that fails must not end the reader of all sources.
            log.exception("tombstone_failed", stream=delivery.stream, entry_id=delivery.entry_id)
            await self.bury(delivery, f"{reason}; its tombstone failed: {type(error).__name__}: {error}", None)

    def _burial(self, delivery: Delivery[M], reason: str) -> Hop:
        entry, now_s = delivery, self._bus.clock.now_s()
        letter = DeadLetter(
            entry.stream, self._group, entry.entry_id, self._name, entry.deliveries, reason, now_s, entry.body
        )
        hop = Hop().add(streams.dead_stream(delivery.stream), letter, self._settings.dead_maxlen)
        return hop.erase(entry.stream, entry.entry_id) if self._erase_buried else hop

    async def _heartbeat_loop(self) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_ms / 1000)
            try:
                await self._keep_held()
            except (RetryableError, redis.exceptions.ResponseError) as error:
                log.warning("heartbeat_failed", group=self._group, error=str(error))

    async def _keep_held(self) -> None:
        """Renews the claim on every entry in hand, also those that wait to be taken; drops those that are not ours."""
        for stream in self._reader.streams:
            held = [delivery for delivery in self._hand.held() if delivery.stream == stream]
            for start in range(0, len(held), HEARTBEAT_PAGE):
                page = {delivery.entry_id: delivery for delivery in held[start : start + HEARTBEAT_PAGE]}
                lost, settled = await self._reader.not_ours(stream, list(page))
                for entry_id in (*lost, *settled):
                    self._drop_lost(page[entry_id], is_settled=entry_id in settled)

    def _drop_lost(self, delivery: Delivery[M], *, is_settled: bool) -> None:
        """Frees the slot of an entry that another consumer holds or that is settled; its worker sees `lost`."""
        # Settled, or being settled, by ourselves while the heartbeat was under way: the answer to that counts it.
        if not self._hand.holds(delivery) or (is_settled and delivery.settling):
            return
        delivery.settled = is_settled
        delivery.lost.set()
        self._count(outcome := "committed" if delivery.was_settled_by_us else "lost")
        delivery.note({"cornerman.outcome": outcome})
        self.free_slot(delivery)

    def _raise_if_broken(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
