"""Loads what the decider remembers of one source, as the server has it. Damage costs the memory of that source only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cornerman_decider.hops import STAGE
from cornerman_decider.state import DeciderState
from cornerman_decider.state_codec import PLACE_FIELD, STATE_FIELD, place_from, questions_from, state_from
from cornerman_shared.bus.commit import retry_forever
from cornerman_shared.bus.last_feedback import LAST_FEEDBACK_FIELD, LastFeedback
from cornerman_shared.bus.mending import mend_source
from cornerman_shared.bus.open_requests import cancelled_event, open_requests
from cornerman_shared.bus.streams import read_number, text_of
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerman_decider.hops import DeciderHops
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.hop import Hop
    from cornerman_shared.bus.lease import Lease

log = get_logger("stored_state")


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state of a source, with what the registry said at the same moment.

    Attributes:
        state: as the last hop saved it; an empty one if that belongs to another incarnation or cannot be read.
        incarnation: of the source; 0 = it has none.
        registered: whether the source is in the registry.
        knows_place: False if the state was lost: which chunks were decided is unknown.
        place: the place in the run as it is stored; empty = none is.
    """

    state: DeciderState
    incarnation: int = 0
    registered: bool = True
    knows_place: bool = True
    place: str = ""


async def load_state(bus: Bus, hops: DeciderHops, lease: Lease, source_id: str) -> StoredState:
    """Reads the state; waits while the server is unreachable.

    Raises:
        FencedError: the shard belongs to another decider now.
    """
    damaged = await retry_forever(lambda: mend_source(bus, source_id, STAGE))
    fields, number, registered = await retry_forever(lambda: _read(bus, source_id))
    incarnation = read_number(number) or 0
    place = place_from(fields.get(PLACE_FIELD.encode()))
    place_there = text_of(fields.get(PLACE_FIELD.encode(), b""))
    was_damaged = any(bus.keys(source_id).decider_state(source_id) in each for each in damaged)
    state = DeciderState() if place is None else place
    try:
        if (saved := fields.get(STATE_FIELD.encode())) is not None:
            state = state_from(saved)
        else:
            await _end_unknown(bus, hops, lease, source_id, state.run, "the decider's memory of it was lost")
    except MalformedError as error:
        was_damaged = True
        log.error("decider_state_unreadable", source_id=source_id, error=str(error))
        message = f"the decider's memory of the source could not be read and starts over: {error}"
        await _end_unknown(bus, hops, lease, source_id, state.run, message)
        await _send(bus, lease, hops.start_over(source_id, state.run, message, bus.clock.now_s()))
    if state.incarnation and incarnation and state.incarnation != incarnation:
        return StoredState(DeciderState(), incarnation, registered, place=place_there)
    state = await _with_questions(bus, hops, lease, source_id, state, fields)
    knows_place = place is not None or not was_damaged
    return StoredState(state, incarnation, registered, knows_place, place_there)


async def read_last_feedback(bus: Bus, source_id: str) -> LastFeedback | None:
    """What was said last about the source; None if there is nothing that can be read."""
    key = bus.keys(source_id).decider_state(source_id)

    async def read() -> bytes | None:
        async with bus.key_types.reading(key):
            found: bytes | None = await bus.redis.hget(key, LAST_FEEDBACK_FIELD)
        return found

    try:
        return LastFeedback.read(await retry_forever(read))
    except MalformedError as error:  # only a repeat is not noticed; the next reply replaces it
        log.warning("last_feedback_unreadable", source_id=source_id, error=str(error))
        return None


async def _with_questions(
    bus: Bus, hops: DeciderHops, lease: Lease, source_id: str, state: DeciderState, fields: Mapping[bytes, bytes]
) -> DeciderState:
    """The state with the open questions; those that an older version saved in the state get fields of their own."""
    older = [request for request in state.open if request.kind == "question"]
    if older:
        hop = hops.keep_questions(source_id, older)
        await retry_forever(lambda: hop.run(bus.scripts, fence=lease.fence, generation=lease.generation))
    known = {request.request_id for request in state.open}
    try:
        questions = [one for one in questions_from(fields) if one.request_id not in known]
    except MalformedError as error:  # the generator ends them all the same
        log.error("questions_unreadable", source_id=source_id, error=str(error))
        return state
    return replace(state, open=(*state.open, *questions))


async def _read(bus: Bus, source_id: str) -> tuple[dict[bytes, bytes], bytes | None, bool]:
    keys = bus.keys(source_id)
    # MULTI: the state and the incarnation that it is compared with are of one moment.
    async with (
        bus.key_types.reading(keys.incarnations, keys.sources, keys.decider_state(source_id)),
        bus.redis.pipeline(transaction=True) as pipe,
    ):
        pipe.hgetall(keys.decider_state(source_id))
        pipe.hget(keys.incarnations, source_id)
        pipe.hexists(keys.sources, source_id)
        fields, number, registered = await pipe.execute()
    return fields, number, bool(registered)


async def _end_unknown(bus: Bus, hops: DeciderHops, lease: Lease, source_id: str, run: str, cause: str) -> None:
    """Ends the open requests of a source, which only a lost state knew."""
    for request_id in await retry_forever(lambda: open_requests(bus, source_id)):
        end = cancelled_event(source_id, run, request_id, cause, bus.clock.now_s())
        await _send(bus, lease, hops.end_unknown(end))


async def _send(bus: Bus, lease: Lease, hop: Hop) -> None:
    await retry_forever(lambda: hop.run(bus.scripts, fence=lease.fence, generation=lease.generation))
