"""Memory of the server: whether it is full, and whether it evicts keys instead of refusing writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cornerman_shared.bus.cluster_client import masters_of
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

KEEPS: Final = "noeviction"
"""The only policy that never deletes keys: a chunk, a state or a lease that is evicted is lost without a word."""

FULL: Final = 0.99
"""Used part of the limit from which writes are refused now and then."""


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """The server's memory. `limit_bytes` 0 = no limit; `policy` "" = unknown."""

    used_bytes: int
    limit_bytes: int
    policy: str

    @property
    def part(self) -> float:
        """The part of the limit in use; 0 without a limit."""
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0

    @property
    def full(self) -> bool:
        """Whether the server refuses writes."""
        return self.limit_bytes > 0 and self.used_bytes >= FULL * self.limit_bytes

    @property
    def fault(self) -> str:
        """What is wrong with it and the remedy, for people; "" = nothing."""
        if self.policy not in ("", KEEPS):
            return (
                f"the server evicts keys (maxmemory-policy {self.policy}), and with them chunks, states and leases; "
                f"set it with `CONFIG SET maxmemory-policy {KEEPS}`, or give another server"
            )
        if self.full:
            return (
                f"the server is full ({_mib(self.used_bytes)} of {_mib(self.limit_bytes)} MiB) and refuses writes; "
                "raise maxmemory, or delete what else is on it"
            )
        return ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "used_bytes": self.used_bytes,
            "limit_bytes": self.limit_bytes,
            "policy": self.policy,
            "full": self.full,
            "fault": self.fault,
        }


async def read_memory(bus: Bus) -> ServerMemory:
    """Memory of the server; of a cluster, that of the master which is fullest.

    Raises:
        RetryableError: a server does not answer.
    """
    return max(await _memories(bus), key=lambda memory: (memory.part, memory.used_bytes))


async def _memories(bus: Bus) -> list[ServerMemory]:
    with redis_errors():
        return [memory_of(await master.info("memory")) for master in (await masters_of(bus.redis)).values()]


def memory_of(info: dict[str, Any]) -> ServerMemory:
    """The memory section of the server's INFO."""
    return ServerMemory(
        int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", ""))
    )


async def refuse_eviction(bus: Bus) -> None:
    """Checks that the server keeps what is written to it; asked before services start.

    Raises:
        ConfigError: it evicts keys.
        RetryableError: the server does not answer.
    """
    for memory in await _memories(bus):
        if memory.policy not in ("", KEEPS):
            raise ConfigError(memory.fault)


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f}".removesuffix(".0")
