"""Memory of the servers against `redis.full_at`: capture stops publishing long before a server refuses writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.cluster_client import masters_of
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.server_memory import memory_of

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.server_memory import ServerMemory

READ_EVERY_S: Final = 1.0
SERVER: Final = "server"
BLOB_SERVER: Final = "server for blobs"
WARN_AT: Final = 0.75
"""The part of `maxmemory` from which the system counts as degraded."""


async def memory_of_servers(bus: Bus) -> dict[str, ServerMemory]:
    """Memory of each server of the bus, by what people call it; those for streams and state first.

    Of a cluster, each master that holds slots; its address is part of the name.

    Raises:
        RetryableError: no answer.
    """
    clients = {SERVER: bus.redis} | ({} if bus.blobs is bus.redis else {BLOB_SERVER: bus.blobs})
    found = {}
    for name, client in clients.items():
        with redis_errors():
            for address, master in (await masters_of(client)).items():
                found[f"{name} {address}".rstrip()] = memory_of(await master.info("memory"))
    return found


def memory_sentence(server: str, memory: ServerMemory) -> str:
    """How much of its `maxmemory` a server uses, for people."""
    used, most = memory.used_bytes / 2**20, memory.limit_bytes / 2**20
    return f"the {server} uses {used:.0f} of {most:.0f} MiB, {memory.part:.0%} of its maxmemory"


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
            limit, memories = self._bus.settings.redis.full_at, await memory_of_servers(self._bus)
            full = [memory_sentence(server, memory) for server, memory in memories.items() if memory.part >= limit]
            self._full = f"{'; '.join(full)}; raise it, or watch fewer sources" if full else ""
        return self._full
