"""Who is alive: the processes that have published their status within the last seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import MalformedError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus


async def list_workers(bus: Bus) -> list[WorkerStatus]:
    """Every live process, by role and name.

    Raises:
        RetryableError: no answer.
    """
    with redis_errors():
        names = [raw.decode() for raw in await bus.redis.zrange(streams.WORKERS, 0, -1)]
        if not names:
            return []
        bodies = await bus.redis.mget([streams.worker(*name.split(":", 1)) for name in names])
    found = []
    for body in bodies:
        if body is None:
            continue
        try:
            found.append(unpack(body, WorkerStatus))
        except MalformedError:
            continue  # a process of another version
    return sorted(found, key=lambda status: (status.role, status.name))


async def live_roles(bus: Bus) -> set[str]:
    """Roles of which at least one process starts or runs."""
    return {status.role for status in await list_workers(bus) if status.state in ("starting", "running")}


async def all_running(bus: Bus, roles: Iterable[str], timeout_s: float, waiting: Callable[[set[str]], None]) -> bool:
    """Waits until each role has a running process. `waiting` is told which are missing, whenever that
    changes.

    Returns False when that takes longer than `timeout_s`.
    """
    wanted = set(roles)
    deadline_s = time.monotonic() + timeout_s
    told: set[str] = set()
    while True:
        running = {status.role for status in await list_workers(bus) if status.state == "running"}
        missing = wanted - running
        if not missing:
            return True
        if missing != told:
            waiting(missing)
            told = missing
        if time.monotonic() > deadline_s:
            return False
        await asyncio.sleep(0.1)
