"""Reads the streams of a group from several shards of a cluster, where one command may only read one shard.

Each stream is watched by a blocking XREAD on a connection of its own, which takes nothing. The streams that have
entries are then read in turn, up to the limit, so that a member never takes more than it has slots for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.delivery import M
from cornerman_shared.bus.group_reader import GroupReader, RawEntry

if TYPE_CHECKING:
    pass


class ShardsReader(GroupReader[M]):
    """A `GroupReader` of streams of several shards."""

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
