"""Lag of a consumer group: the figure that workers are scaled by.

The `lag` of XINFO GROUPS stays null once an entry was deleted (XDEL) or the group was set back, and is too high once
MAXLEN has trimmed unread entries. So null is replaced by counting the entries behind the group's last one, and the lag
is the stream's length if all entries are behind it.
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
    """Work of a group.

    Attributes:
        waiting: entries not yet delivered.
        pending: entries delivered but not settled.
    """

    waiting: int
    pending: int

    @property
    def total(self) -> int:
        return self.waiting + self.pending


async def lag_of(bus: Bus, stream: str, group: str) -> Lag:
    """Lag of a group: zero for a missing stream, the stream's length for a missing group."""
    groups = []
    try:
        async with bus.key_types.tolerating(stream):
            groups = await bus.redis.xinfo_groups(stream)
    except redis.exceptions.ResponseError as error:
        # XINFO raises for a missing stream.
        if "no such key" not in str(error):
            raise
        return Lag(0, 0)
    for info in groups:
        if info["name"] == group.encode():
            waiting = await _waiting(bus, stream, info["last-delivered-id"].decode(), info["lag"])
            return Lag(waiting, int(info["pending"]))
    return Lag(await length_of(bus, stream), 0)


async def length_of(bus: Bus, stream: str) -> int:
    """Entries of a stream; 0 if its key holds another type, which the health of the system tells."""
    length = 0
    async with bus.key_types.tolerating(stream):
        length += int(await bus.redis.xlen(stream))
    return length


async def _waiting(bus: Bus, stream: str, after: str, known: int | None) -> int:
    with redis_errors():
        async with bus.redis.pipeline(transaction=True) as pipe:
            pipe.xrange(stream, count=1)
            pipe.xlen(stream)
            oldest, length = await pipe.execute()
    # Everything in the stream is behind the group; entries trimmed unread no longer count.
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
