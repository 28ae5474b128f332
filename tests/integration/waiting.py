"""Waiting for a thing itself, however long it takes; and time that passes because the test says so.

No test sleeps for a while and takes it that something has happened by then: on a busy machine it has not. What runs
out (a lease, an entry that nobody speaks for) has a long time to do so, and is made to run out where a test needs it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cornerman_shared.bus.connection import Bus

PATIENCE_S = 60.0
"""A test that waits longer has failed. Far above what anything takes here, also on a machine that is held up."""

LONG_AGO_MS = 3_600_000


async def until(look: Callable[[], Awaitable[Any]], within_s: float = PATIENCE_S) -> Any:
    """Waits until `look()` gives something true, and returns that."""
    give_up_at_s = time.monotonic() + within_s
    while not (found := await look()):
        assert time.monotonic() < give_up_at_s, "it did not come to pass"
        await asyncio.sleep(0.02)
    return found


async def until_true(look: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """`until` for what can be seen without asking anybody."""

    async def asked() -> bool:
        return bool(look())

    await until(asked, within_s)


async def until_reading(bus: Bus, readers: int = 1) -> None:
    """Until so many clients of the server wait in a blocking XREAD: whoever follows from now on has begun to."""

    async def reading() -> bool:
        clients = await bus.redis.client_list()
        return sum(client["cmd"] == "xread" and "b" in client["flags"] for client in clients) >= readers

    await until(reading)


async def expire_key(bus: Bus, key: str) -> None:
    """Lets the key's time run out, on the server and now."""
    await bus.redis.pexpire(key, 1)

    async def gone() -> bool:
        return not await bus.redis.exists(key)

    await until(gone)


async def make_entries_idle(bus: Bus, stream: str, group: str) -> None:
    """Makes every pending entry look as if nobody had spoken for it in an hour."""
    for entry in await bus.redis.xpending_range(stream, group, "-", "+", 1000):
        await bus.redis.xclaim(
            stream, group, entry["consumer"], 0, [entry["message_id"]], idle=LONG_AGO_MS, justid=True
        )
