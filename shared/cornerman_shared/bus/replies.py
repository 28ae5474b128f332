"""Writes the events of a request while a generator works on it.

A request that has ended, or that a newer attempt has taken, accepts no more events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import Event, Request
from cornerman_shared.bus.redis_client import is_wrong_type, redis_errors
from cornerman_shared.bus.streams import read_number

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.scripts import Arg


async def start_attempt(bus: Bus, request: Request) -> int | None:
    """Starts an attempt on the request; returns its number, from 1, or None if the request has ended.

    Raises:
        RetryableError: no answer; the attempt may or may not have been counted.
    """
    reply = await bus.scripts.run("attempt", [bus.keys(request.source_id).open_requests], [request.request_id])
    return int(reply) or None


async def is_attempt_open(bus: Bus, request: Request, attempt: int) -> bool:
    """False if the request has ended, or a newer attempt is at work.

    Raises:
        RetryableError: no answer.
    """
    with redis_errors():
        newest = await bus.redis.hget(bus.keys(request.source_id).open_requests, request.request_id)
    return read_number(newest) == attempt


async def append_reply(bus: Bus, event: Event, request_id: str, attempt: int) -> bool:
    """Appends the event if this is the newest attempt and the request is open; False means stop generating.

    Raises:
        RetryableError: no answer; the event may or may not have been appended.
    """
    k = bus.keys(event.source_id)
    keys = [k.open_requests, k.feedback(event.source_id), k.feedback_all]
    args: list[Arg] = [request_id, attempt, bus.settings.bus.feedback_maxlen, pack(event)]
    try:
        return bool(await bus.scripts.run("say", keys, args))
    except Exception as error:
        if not is_wrong_type(error):
            raise
        await bus.mend(event, "generator")  # the source's stream: it fails no request
        return bool(await bus.scripts.run("say", keys, args))
