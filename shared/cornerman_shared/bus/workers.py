"""The processes that are alive: each publishes its `WorkerStatus` under a key with a short TTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.errors import MalformedError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

STATUS_TTL_S = 5
"""A process whose status is older counts as gone."""

UNHEALTHY_TTL_S = 30
"""How long the last words of a process that ended by an error are kept; its next start replaces them."""


async def publish_status(bus: Bus, status: WorkerStatus) -> None:
    """Writes the status of this process.

    Raises:
        RetryableError: no answer.
    """
    key, member = streams.worker_key(status.role, status.name), f"{status.role}:{status.name}"
    async with bus.key_types.reading(streams.WORKERS):
        is_alive = status.state != "unhealthy"
        await bus.redis.set(key, pack(status), ex=STATUS_TTL_S if is_alive else UNHEALTHY_TTL_S)
        # Not in one transaction: the two keys are in different slots of a cluster. Score 0: it takes no share of work.
        await bus.redis.zadd(streams.WORKERS, {member: status.at_s if is_alive else 0.0})


async def remove_status(bus: Bus, role: str, name: str) -> None:
    """Removes the status of a process that ends.

    Raises:
        RetryableError: no answer.
    """
    async with bus.key_types.reading(streams.WORKERS):
        await bus.redis.delete(streams.worker_key(role, name))
        await bus.redis.zrem(streams.WORKERS, f"{role}:{name}")


async def list_workers(bus: Bus) -> list[WorkerStatus]:
    """Every live process, by role and name. A status that another version wrote is left out.

    Raises:
        RetryableError: no answer.
    """
    bodies: list[bytes | None] = []
    async with bus.key_types.tolerating(streams.WORKERS):
        members = [raw.decode() for raw in await bus.redis.zrange(streams.WORKERS, 0, -1)]
        if not members:
            return []
        # Not MGET: in a cluster the keys are in several slots.
        async with bus.redis.pipeline(transaction=False) as pipe:
            for member in members:
                pipe.get(streams.worker_key(*member.split(":", 1)))
            bodies = await pipe.execute()
    found = []
    for body in bodies:
        if body is None:
            continue
        try:
            found.append(unpack(body, WorkerStatus))
        except MalformedError:
            continue  # a process of another version; its own logs say so
    return sorted(found, key=lambda status: (status.role, status.name))


async def live_names(bus: Bus, role: str) -> set[str]:
    """Names of the processes of `role` whose newest status is at most `STATUS_TTL_S` old, by the server's clock.

    Raises:
        RetryableError: no answer.
    """
    now_s = bus.clock.now_s()
    async with bus.key_types.reading(streams.WORKERS):
        # Bounded above too: a status from the future is of a process that died before the server's clock was set back.
        members = await bus.redis.zrangebyscore(streams.WORKERS, now_s - STATUS_TTL_S, now_s + STATUS_TTL_S)
    prefix = f"{role}:"
    return {name.removeprefix(prefix) for name in (raw.decode() for raw in members) if name.startswith(prefix)}
