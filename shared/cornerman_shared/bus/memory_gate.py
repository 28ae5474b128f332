"""Memory of the servers against `redis.full_at`: capture stops publishing long before a server refuses writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.server_memory import memory_of

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

READ_EVERY_S: Final = 1.0
WARN_AT: Final = 0.75
"""The part of `maxmemory` from which the system counts as degraded."""


async def scarce_memory(bus: Bus, part: float) -> dict[str, str]:
    """The servers of which this part of `maxmemory`, or more, is in use, each with a sentence about it.

    Raises:
        RetryableError: no answer.
    """
    clients = {"server": bus.redis} | ({} if bus.blobs is bus.redis else {"server for blobs": bus.blobs})
    found = {}
    for name, client in clients.items():
        with redis_errors():
            memory = memory_of(await client.info("memory"))
        if memory.part >= part:
            used, most = memory.used_bytes / 2**20, memory.limit_bytes / 2**20
            found[name] = f"the {name} uses {used:.0f} of {most:.0f} MiB, {memory.part:.0%} of its maxmemory"
    return found


class MemoryGate:
    """Whether the servers have room, read again after `READ_EVERY_S`; for a process that asks before each write."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._read_at_s = float("-inf")
        self._full = ""

    def refused(self) -> None:
        """A write failed: the next call reads the memory again."""
        self._read_at_s = float("-inf")

    async def full(self) -> str:
        """Why nothing more should be written, as a sentence; empty = there is room.

        Raises:
            RetryableError: no answer.
        """
        now_s = self._bus.clock.monotonic_s()
        if now_s - self._read_at_s >= READ_EVERY_S:
            self._read_at_s = now_s
            scarce = await scarce_memory(self._bus, self._bus.settings.redis.full_at)
            self._full = f"{'; '.join(scarce.values())}; raise it, or watch fewer sources" if scarce else ""
        return self._full
