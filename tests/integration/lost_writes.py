"""What a fail-over does to the data of a single server: it goes back to an earlier moment, whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cornerman_shared.bus.connection import Bus


@dataclass(frozen=True, slots=True)
class Moment:
    """Every key of a server at one moment, as DUMP gives it, with its time to live in ms (0 = for ever)."""

    keys: dict[bytes, tuple[bytes, int]]


async def remember(bus: Bus) -> Moment:
    """The data as a replica has it that receives nothing from now on."""
    names = await bus.redis.keys("*")
    async with bus.redis.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.dump(name).pttl(name)
        replies = await pipe.execute()
    dumps = zip(names, replies[::2], replies[1::2], strict=True)
    return Moment({name: (dump, max(0, ttl)) for name, dump, ttl in dumps if dump is not None})


async def go_back(bus: Bus, moment: Moment) -> None:
    """Promotes that replica, which takes more than a millisecond: what was written since is lost."""
    began = await bus.redis.time()
    while (await bus.redis.time())[1] // 1000 == began[1] // 1000:
        await asyncio.sleep(0)
    async with bus.redis.pipeline(transaction=True) as pipe:
        pipe.flushall()
        for name, (dump, ttl_ms) in moment.keys.items():
            pipe.restore(name, ttl_ms, dump)
        await pipe.execute()
