"""Memory of the servers against their `maxmemory`: what capture and the health check read before writes are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.redis_client import redis_errors

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

READ_EVERY_S: Final = 1.0
WARN_AT: Final = 0.75
"""The part of `maxmemory` from which the system counts as degraded."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory of one server.

    Attributes:
        server: `server`, or `server for blobs`.
        used_bytes: in use.
        most_bytes: `maxmemory`; 0 = no bound.
    """

    server: str
    used_bytes: int
    most_bytes: int

    @property
    def part(self) -> float:
        """The part in use; 0 without a bound."""
        return self.used_bytes / self.most_bytes if self.most_bytes else 0.0

    def __str__(self) -> str:
        used, most = self.used_bytes / 2**20, self.most_bytes / 2**20
        return f"the {self.server} uses {used:.0f} of {most:.0f} MiB ({self.part:.0%} of its maxmemory)"


async def read_memory(bus: Bus) -> list[MemoryUse]:
    """Memory of each server of the bus.

    Raises:
        RetryableError: no answer.
    """
    clients = {"server": bus.redis} | ({} if bus.blobs is bus.redis else {"server for blobs": bus.blobs})
    found = []
    for name, client in clients.items():
        with redis_errors():
            info = await client.info("memory")
        found.append(MemoryUse(name, int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))))
    return found


class ServerMemory:
    """The fullest server, read again after `READ_EVERY_S`; for a process that asks before each write."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._read_at_s = float("-inf")
        self._full = ""

    def refused(self) -> None:
        """A write failed: the next answer is read anew."""
        self._read_at_s = float("-inf")

    async def full(self) -> str:
        """Why nothing more should be written, as a sentence; empty = there is room.

        Raises:
            RetryableError: no answer.
        """
        now_s = self._bus.clock.monotonic_s()
        if now_s - self._read_at_s >= READ_EVERY_S:
            self._read_at_s = now_s
            limit = self._bus.settings.redis.full_at
            over = [use for use in await read_memory(self._bus) if use.part >= limit]
            self._full = f"{over[0]}; raise it, or watch fewer sources" if over else ""
        return self._full
