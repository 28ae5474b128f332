"""How much work waits in a stream for a group: the figure to scale workers by.

Redis itself answers null for good once an entry was deleted from the stream (XDEL) or the group was set back, and too
much once MAXLEN has trimmed entries that the group had not read. So this counts what lies behind the group's last entry
when the server does not know, and takes the stream's length when everything in it lies behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis.exceptions

from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import entry_order

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Lag:
    """Entries not yet delivered, and entries delivered but not settled."""

    waiting: int
    pending: int

    @property
    def total(self) -> int:
        return self.waiting + self.pending


async def lag_of(bus: Bus, stream: str, group: str) -> Lag:
    """Lag of a group; zero for a stream or group that is not there yet."""
    try:
        with redis_errors():
            groups = await bus.redis.xinfo_groups(stream)
    except redis.exceptions.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return Lag(0, 0)
    for info in groups:
        if info["name"] == group.encode():
            waiting = await _waiting(bus, stream, info["last-delivered-id"].decode(), info["lag"])
            return Lag(waiting, int(info["pending"]))
    with redis_errors():
        return Lag(int(await bus.redis.xlen(stream)), 0)


async def _waiting(bus: Bus, stream: str, after: str, known: int | None) -> int:
    with redis_errors():
        async with bus.redis.pipeline(transaction=True) as pipe:
            pipe.xrange(stream, count=1)
            pipe.xlen(stream)
            oldest, length = await pipe.execute()
    if not oldest or entry_order(oldest[0][0].decode()) > entry_order(after):
        return int(length)
    return int(known) if known is not None else await _count(bus, stream, after)


async def _count(bus: Bus, stream: str, after: str) -> int:
    total = 0
    while True:
        with redis_errors():
            page = await bus.redis.xrange(stream, f"({after}", "+", count=PAGE)
        total += len(page)
        if len(page) < PAGE:
            return total
        after = page[-1][0].decode()
