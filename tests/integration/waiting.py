"""Waits for conditions, and expires leases and entries on demand.

A test never sleeps and assumes that something has happened by then, because on a busy machine it has not. Timeouts
are long, and a test that needs a lease or an entry to expire makes it expire.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cornerman_shared.bus.cluster_client import masters_of
from cornerman_shared.bus.connection import Bus

PATIENCE_S = 60.0
"""Upper bound of every wait, far above normal times even on a busy machine."""

LONG_AGO_MS = 3_600_000


async def until(check: Callable[[], Awaitable[Any]], within_s: float = PATIENCE_S) -> Any:
    """Awaits `check()` until its result is true, and returns it."""
    give_up_at_s = time.monotonic() + within_s
    while not (found := await check()):
        assert time.monotonic() < give_up_at_s, f"not true within {within_s:g} s"
        await asyncio.sleep(0.02)
    return found


async def until_true(check: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """`until` for a check that need not be awaited."""

    async def checked() -> bool:
        return bool(check())

    await until(checked, within_s)


async def until_reading(bus: Bus, readers: int = 1) -> None:
    """Waits until `readers` clients block in XREAD, so that later events reach them live."""

    async def reading() -> bool:
        clients = [client for node in (await masters_of(bus.redis)).values() for client in await node.client_list()]
        return sum(client["cmd"] == "xread" and "b" in client["flags"] for client in clients) >= readers

    await until(reading)


async def expire_key(bus: Bus, key: str) -> None:
    """Makes a key expire now."""
    await bus.redis.pexpire(key, 1)

    async def gone() -> bool:
        return not await bus.redis.exists(key)

    await until(gone)


async def make_entries_idle(bus: Bus, stream: str, group: str) -> None:
    """Sets the idle time of every pending entry to one hour."""
    for entry in await bus.redis.xpending_range(stream, group, "-", "+", 1000):
        await bus.redis.xclaim(
            stream, group, entry["consumer"], 0, [entry["message_id"]], idle=LONG_AGO_MS, justid=True
        )
