"""Open requests of a source, and the event that ends one as cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus.messages import EndEvent
from cornerman_shared.bus.streams import is_question_request

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus


async def open_requests(bus: Bus, source_id: str) -> list[str]:
    """Ids of the requests of a source that have not ended.

    Raises:
        RetryableError: no answer.
    """
    key = bus.keys(source_id).open_requests
    async with bus.key_types.reading(key):
        ids = await bus.redis.hkeys(key)
    # One hash holds the open requests of all sources of the shard.
    return [raw.decode() for raw in ids if raw.startswith(f"{source_id}:".encode())]


def cancelled_event(
    source_id: str, run: str, request_id: str, cause: str, now_s: float, incarnation: int = 0
) -> EndEvent:
    """The end of a request of which only the id is known."""
    return EndEvent.without_words(
        source_id,
        run,
        request_id,
        kind="question" if is_question_request(source_id, request_id) else "feedback",
        status="cancelled",
        cause=cause,
        done_at_s=now_s,
        incarnation=incarnation,
    )
