"""Live worker processes: those whose status on the bus has not run out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import FatalError, MalformedError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

READY_S: Final = 180.0
"""Longest time that models may take to load before the first frame."""

POLL_S: Final = 0.1


async def list_workers(bus: Bus) -> list[WorkerStatus]:
    """Every live process, by role and name.

    Raises:
        RetryableError: the server does not answer.
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
    """Roles with at least one process that starts or runs."""
    return {status.role for status in await list_workers(bus) if status.state in ("starting", "running")}


async def wait_until_running(
    bus: Bus,
    roles: Iterable[str],
    report: Callable[[set[str]], None] = lambda missing: None,
    timeout_s: float = READY_S,
) -> None:
    """Waits until each role has a running process.

    Args:
        report: called with the missing roles whenever they change.

    Raises:
        FatalError: a role is missing after `timeout_s` seconds.
        RetryableError: the server does not answer.
    """
    wanted = set(roles)
    deadline_s = time.monotonic() + timeout_s
    reported: set[str] = set()
    while True:
        running = {status.role for status in await list_workers(bus) if status.state == "running"}
        missing = wanted - running
        if not missing:
            return
        if missing != reported:
            report(missing)
            reported = missing
        if time.monotonic() > deadline_s:
            raise FatalError(
                f"not ready within {timeout_s:g} s: {', '.join(sorted(missing))}; see `cornerman status` and "
                "`cornerman doctor`"
            )
        await asyncio.sleep(POLL_S)
