"""Who is alive: the processes that have published their status within the last seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cornerman_shared.bus.workers import list_workers

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus


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
