"""Commands of one member of a consumer group: read, look at pending entries, claim."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias

import redis.exceptions

from cornerman_shared.aio import cancel_all
from cornerman_shared.bus import streams
from cornerman_shared.bus.delivery import M
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.errors import RetryableError

if TYPE_CHECKING:
    from cornerman_shared.bus.hand import Hand
    from cornerman_shared.bus.key_types import KeyTypes
    from cornerman_shared.bus.redis_client import Client
    from cornerman_shared.bus.scripts import Scripts

RawEntry: TypeAlias = tuple[str, str, bytes | None]
"""Stream, entry id and body; no body = the entry was trimmed while it was pending."""

PAGE = 100


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An entry that was delivered and not settled; `deliveries` is the count that the server stores."""

    stream: str
    entry_id: str
    deliveries: int


@contextmanager
def group_errors() -> Iterator[None]:
    """As `patient_errors`; a missing group is `RetryableError`, too, as the consumer creates it again."""
    try:
        with patient_errors():
            yield
    except redis.exceptions.ResponseError as error:
        # Not at the start: a pipeline puts its command before the reply.
        if "NOGROUP" in str(error) or "no such key" in str(error):
            raise RetryableError(f"the group was deleted: {error}") from error
        raise


class GroupReader(Generic[M]):
    """Reads the streams of one group under one consumer name; every method may raise `RetryableError`.

    Args:
        client: for blocking reads of at most `block_ms`.
        redis: for commands that must not wait for a blocking read.
        scripts: of the same server.
        key_types: of the same server; a stream whose key holds something else is left out until it is right.
        keys: streams to read.
        group: consumer group.
        name: of the consumer.
        block_ms: longest wait of a read.
        hand: for the entries that were read and are not settled.
    """

    def __init__(
        self,
        client: Client,
        redis: Client,
        scripts: Scripts,
        key_types: KeyTypes,
        keys: Sequence[str],
        group: str,
        name: str,
        block_ms: int,
        hand: Hand[M],
    ) -> None:
        self.client = client
        self.hand = hand
        self._redis = redis
        self._scripts = scripts
        self._key_types = key_types
        self._all = list(keys)
        self._streams = self._all
        self._group = group
        self._name = name
        self._block_ms = block_ms
        self._first = 0  # of the streams, so that each is the first to be read in turn

    @property
    def streams(self) -> list[str]:
        """The streams that can be read."""
        return self._streams

    async def is_prepared(self) -> bool:
        """Whether the streams that were left out still are none; False = prepare again."""
        left_out = set(self._all) - set(self._streams)
        return not left_out or left_out == set(await self._key_types.faults(self._all))

    async def create_groups(self) -> None:
        """Creates missing groups, from the first entry of their streams."""
        wrong = await self._key_types.faults(self._all)
        self._streams = [stream for stream in self._all if stream not in wrong]
        for stream in self._streams:
            try:
                with patient_errors():
                    await self.client.xgroup_create(stream, self._group, id="0", mkstream=True)
            except redis.exceptions.ResponseError as error:
                # BUSYGROUP: another consumer created the group first.
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def own_pending(self) -> list[RawEntry]:
        """Entries pending under our name; the server counts another delivery of each."""
        return await self._own_pending(self._streams)

    async def _own_pending(self, keys: Sequence[str]) -> list[RawEntry]:
        found: list[RawEntry] = []
        # With an id instead of `>`, XREADGROUP returns entries pending under our name.
        after = dict.fromkeys(keys, "0")
        while after:
            with group_errors():
                reply = await self.client.xreadgroup(self._group, self._name, after, count=PAGE)
            page = _raw_entries(reply)
            found += page
            after = {stream: entry_id for stream, entry_id, _ in page}
        return found

    async def read(self, limit: int) -> list[RawEntry]:
        """Waits for new entries, for `bus.block_ms` at most; returns at most `limit` of all streams together."""
        if not self._streams:
            await asyncio.sleep(self._block_ms / 1000)
            return []
        if limit < len(self._streams):
            return await self._read_in_turn(limit)
        # COUNT applies to each stream; rounding down keeps the total within the limit.
        with group_errors():
            reply = await self.client.xreadgroup(
                self._group,
                self._name,
                dict.fromkeys(self._streams, ">"),
                count=limit // len(self._streams),
                block=self._block_ms,
            )
        return _raw_entries(reply)

    async def _read_in_turn(self, limit: int) -> list[RawEntry]:
        """As `read`, for fewer entries than streams: one XREADGROUP of all streams may return one entry of each."""
        ready = await self._wait_for_entries(self._streams)
        found: list[RawEntry] = []
        for stream in self._in_turn():
            if stream in ready and len(found) < limit:
                found += await self._read_now(stream, limit - len(found))
        return found

    def _in_turn(self) -> list[str]:
        """The streams, each time with another one first."""
        self._first = (self._first + 1) % len(self._streams)
        return self._streams[self._first :] + self._streams[: self._first]

    async def _read_now(self, stream: str, limit: int) -> list[RawEntry]:
        """New entries of one stream, without waiting."""
        with group_errors():
            reply = await self.client.xreadgroup(self._group, self._name, {stream: ">"}, count=limit)
        return _raw_entries(reply)

    async def _wait_for_entries(self, keys: Sequence[str]) -> set[str]:
        """Streams with entries that the group has not read yet. Reads none of them for the group."""
        with group_errors():
            async with self.client.pipeline(transaction=False) as pipe:
                for stream in keys:
                    pipe.xinfo_groups(stream)
                replies = await pipe.execute()
        after = {}
        for stream, groups in zip(keys, replies, strict=True):
            ids = [info["last-delivered-id"] for info in groups if info["name"] == self._group.encode()]
            if not ids:
                raise RetryableError(f"the group was deleted: {stream} has no group {self._group}")
            after[stream] = streams.text_of(ids[0])
        with group_errors():
            reply = await self.client.xread(after, count=1, block=self._block_ms)
        return {stream for stream, _, _ in _raw_entries(reply)}

    async def pending(self, stream: str, idle_ms: int, limit: int) -> list[PendingEntry]:
        """Entries that have been idle for at least `idle_ms`, those delivered least often first."""
        with group_errors():
            rows = await self.client.xpending_range(stream, self._group, "-", "+", limit, idle=idle_ms)
        found = [PendingEntry(stream, streams.text_of(row["message_id"]), int(row["times_delivered"])) for row in rows]
        return sorted(found, key=lambda entry: entry.deliveries)

    async def deliveries(self, stream: str, entry_id: str) -> int:
        """The number of deliveries that the server has counted; 1 if the entry is not pending."""
        with group_errors():
            rows = await self.client.xpending_range(stream, self._group, entry_id, entry_id, 1)
        return int(rows[0]["times_delivered"]) if rows else 1

    async def claim(self, entry: PendingEntry, idle_ms: int) -> RawEntry | None:
        """Takes an entry over; None if another consumer was faster. The server counts a delivery."""
        with group_errors():
            # XCLAIM checks the idle time again, so that only one of several consumers gets the entry.
            rows = await self.client.xclaim(entry.stream, self._group, self._name, idle_ms, [entry.entry_id])
        for raw_id, fields in rows:
            if raw_id is not None:
                return entry.stream, entry.entry_id, streams.body_of(fields)
        return None

    async def body(self, stream: str, entry_id: str) -> bytes | None:
        """The body of an entry; None if it was trimmed."""
        with group_errors():
            rows = await self.client.xrange(stream, entry_id, entry_id)
        return streams.body_of(rows[0][1]) if rows else None

    async def acknowledge(self, stream: str, entry_id: str) -> None:
        with group_errors():
            await self.client.xack(stream, self._group, entry_id)

    async def keep(self, stream: str, entry_id: str, *, deliveries: int | None = None, idle_ms: int = 0) -> None:
        """Renews our claim without counting a delivery.

        Args:
            stream: of the entry.
            entry_id: its id.
            deliveries: sets the count that the server stores; the next `claim` adds one to it. None = unchanged.
            idle_ms: sets the idle time; above `bus.idle_ms`, the next reclaim of any consumer takes the entry.
        """
        with group_errors():
            await self._redis.xclaim(
                stream, self._group, self._name, 0, [entry_id], idle=idle_ms, retrycount=deliveries, justid=True
            )

    async def not_ours(self, stream: str, entry_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Renews our claim on entries; returns those that another consumer holds, and those that are settled."""
        with group_errors():
            lost, settled = await self._scripts.run("heartbeat", [stream], [self._group, self._name, *entry_ids])
        return [streams.text_of(raw_id) for raw_id in lost], [streams.text_of(raw_id) for raw_id in settled]

    async def close(self) -> None:
        """Ends reads that are under way; the client stays open."""

    async def leave(self, idle_ms: int) -> None:
        """Leaves the group, with other consumers that have been idle for `idle_ms`; those with entries stay."""
        for stream in self._streams:
            with group_errors():
                await self._scripts.run("leave", [stream], [self._group, self._name, idle_ms])


class ShardsReader(GroupReader[M]):
    """Reads the streams of a group from several shards of a cluster, where one command may only read one shard.

    Each stream is watched by a blocking XREAD on a connection of its own, which takes nothing. The streams that have
    entries are then read in turn, up to the limit, so that a member never takes more than it has slots for.
    """

    _watches: dict[str, asyncio.Task[set[str]]]
    _ready: set[str]

    async def create_groups(self) -> None:
        """Creates missing groups; forgets what was known of the streams before, because the server may have moved."""
        await self._forget()
        await super().create_groups()

    async def own_pending(self) -> list[RawEntry]:
        """As `GroupReader.own_pending`, one shard after another."""
        return [entry for stream in self._streams for entry in await self._own_pending([stream])]

    async def read(self, limit: int) -> list[RawEntry]:
        """Waits for new entries, for `bus.block_ms` at most; returns at most `limit` of all streams together."""
        if not self._streams:
            return await super().read(limit)
        await self._wait_until_ready()
        found: list[RawEntry] = []
        for stream in self._in_turn():
            if stream not in self._ready or len(found) >= limit:
                continue
            wanted = limit - len(found)
            page = await self._read_now(stream, wanted)
            if len(page) < wanted:
                self._ready.discard(stream)
            found += page
        return found

    async def close(self) -> None:
        """Ends the blocking reads."""
        await self._forget()

    async def _wait_until_ready(self) -> None:
        """Waits until a stream has entries; those still watched are watched on at the next read."""
        for stream in self._streams:
            if stream not in self._ready and stream not in self._watches:
                self._watches[stream] = asyncio.create_task(self._wait_for_entries([stream]), name=f"watch:{stream}")
        if not self._ready:
            await asyncio.wait(
                self._watches.values(), timeout=self._block_ms / 1000, return_when=asyncio.FIRST_COMPLETED
            )
        for stream in [stream for stream, watch in self._watches.items() if watch.done()]:
            if await self._watches.pop(stream):
                self._ready.add(stream)

    async def _forget(self) -> None:
        watches = getattr(self, "_watches", {})
        self._watches, self._ready = {}, set()
        await cancel_all(*watches.values())


def _raw_entries(reply: object) -> list[RawEntry]:
    return [(key, entry_id, body) for key, entries in streams.entries_of(reply) for entry_id, body in entries]
