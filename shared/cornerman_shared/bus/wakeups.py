"""Wake-ups: short notes on one stream of a shard, so that no reader waits for the next poll.

A note is only a hint: a reader looks at the server itself, and polls as well, so one that is lost costs a delay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cornerman_shared.aio import background, retry, wait_or_timeout
from cornerman_shared.bus import streams
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.streams import Keys

MOST: Final = 1_000
"""Notes that wait to be taken; more are left to the poll."""

PAGE: Final = 100

log = get_logger("wakeups")


class Wakeups:
    """Notes of some shards, from now on.

    Args:
        bus: an open bus.
        shards: whose notes.
    """

    def __init__(self, bus: Bus, shards: Sequence[Keys]) -> None:
        self._bus = bus
        self._keys = [keys.wakeups for keys in shards]
        self._heard: set[str] = set()
        self._woken = asyncio.Event()

    async def listen(self) -> None:
        """Collects notes until it is cancelled; while the server is away, or the key is not ours, it tries again."""
        # Streams of a cluster may lie on several nodes: each is read alone.
        groups = [[key] for key in self._keys] if self._bus.is_cluster else [self._keys]
        async with background(*(self._listen(group) for group in groups)):
            await asyncio.Event().wait()

    async def take(self, timeout_s: float | None) -> set[str]:
        """Waits for notes, at most so long; returns all that were heard since the last call."""
        await wait_or_timeout(self._woken, timeout_s)
        self._woken.clear()
        heard, self._heard = self._heard, set()
        return heard

    async def _listen(self, keys: list[str]) -> None:
        block_ms = self._bus.settings.bus.block_ms
        client = self._bus.blocking_client(block_ms / 1000)
        last_ids: dict[str, str] = {}

        async def read() -> Any:
            with patient_errors():
                if not last_ids:
                    last_ids.update({key: await self._bus.newest_id(key) for key in keys})
                return await client.xread(last_ids, count=PAGE, block=block_ms)

        def report(error: Exception) -> None:
            last_ids.clear()  # the server may be another when it is back
            log.debug("wakeups_interrupted", error=str(error))

        try:
            while True:
                for key, entries in streams.entries_of(await retry(read, report=report)):
                    for entry_id, body in entries:
                        last_ids[key] = entry_id
                        self._hear((body or b"").decode(errors="replace"))
        finally:
            await self._bus.close_client(client)

    def _hear(self, note: str) -> None:
        if len(self._heard) < MOST:
            self._heard.add(note)
        self._woken.set()


def named(notes: set[str], kind: str) -> set[str]:
    """What the notes of this kind name."""
    return {note.removeprefix(kind) for note in notes if note.startswith(kind)}
