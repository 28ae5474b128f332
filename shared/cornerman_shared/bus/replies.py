"""What a generator writes while it works on a request.

A request that ended, or that a newer attempt took, takes no more words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.messages import Event, Request

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus


async def start_attempt(bus: Bus, request: Request) -> int | None:
    """Takes the request: the attempt's number, from 1; None when it has ended (expired, cancelled) meanwhile."""
    reply = await bus.scripts.run("attempt", [bus.keys(request.source_id).open_requests], [request.request_id])
    return int(reply) or None


async def append_reply(bus: Bus, event: Event, request_id: str, attempt: int) -> bool:
    """Appends the event if this attempt is still the newest and the request open. False = stop generating."""
    k = bus.keys(event.source_id)
    reply = await bus.scripts.run(
        "say",
        [k.open_requests, k.feedback(event.source_id), k.feedback_all],
        [request_id, attempt, bus.settings.bus.feedback_maxlen, pack(event)],
    )
    return bool(reply)
