"""`/api/…/events`: live events as server-sent events and over WebSocket, and history for a new page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, WebSocket
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.core import lagged, parse_cursor, shorten, sse, to_json
from cornerman_gateway.fanout import Sent
from cornerman_gateway.lookup import Id, find
from cornerman_gateway.problems import wrong_field
from cornerman_gateway.rows import read_rows
from cornerman_gateway.schemas import Deltas
from cornerman_gateway.sockets import GOING_AWAY, TRY_AGAIN, accept, close, send_until_gone
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.tracer import Tracer

log = get_logger("gateway")

router = APIRouter(prefix="/api", tags=["events"])

PING_S = 10
SEND_TIMEOUT_S = 30.0
RETRY_MS = 1_000

LastId = Annotated[
    str, Header(alias="Last-Event-ID", description="id of the last event seen; later events are sent first")
]
Since = Annotated[
    str,
    Query(max_length=4096, description="as Last-Event-ID, for clients that cannot set headers; 0 = all that is kept"),
]

STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "events, without end"}
}


def cursor_of(state: AppState, source_id: str | None, last_id: str, since: str) -> list[str] | None:
    """The client's cursor; None = it wants events from now on.

    Raises:
        Problem: 422, not an id of these streams.
    """
    text = last_id or since
    streams = len(state.hub.keys_of(source_id))
    if not text or text == "$":
        return None
    if text == "0":
        return ["0-0"] * streams
    cursor = parse_cursor(text, streams)
    if cursor is None:
        raise wrong_field(
            "Last-Event-ID" if last_id else "since", f"{text!r} is not an event id; send an `id:` that you got here"
        )
    return cursor


async def follow(
    state: AppState, source_id: str | None, since: list[str] | None
) -> AsyncIterator[tuple[str | None, list[Sent]]]:
    """Yields kept events behind `since`, then live ones, without end; both transports send these.

    Each item is a note about lost events (JSON, or None) and the events behind it. The first item is empty: the
    client has joined, and no later event can be missed.
    """
    async with state.hub.join(source_id, since, state.settings.gateway.client_queue) as client:
        yield None, []
        for live, batches in ((False, state.hub.catch_up(client, source_id)), (True, client.batches())):
            async for missed, items in batches:
                state.metrics.events_sent_total.inc(len(items))
                if missed and missed.count:
                    state.metrics.events_skipped_total.inc(missed.count)
                yield to_json(lagged(missed.count, missed.after)) if missed else None, items
                if live and state.bus.tracer is not None:  # it is asked for more once these are sent
                    _trace(state.bus.tracer, state.hub.keys_of(source_id), items)


def _trace(tracer: Tracer, streams: Sequence[str], items: Iterable[Sent]) -> None:
    for item, _ in items:
        if item.traceparent:
            tracer.delivered(item, streams[item.stream], item.event_id)


async def _sse(state: AppState, source_id: str | None, since: list[str] | None) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n: cornerman\n\n".encode()
    try:
        async for note, items in follow(state, source_id, since):
            head = sse("lagged", note) if note else b""
            yield head + b"".join(item.sse(cursor) for item, cursor in items) or b": following\n\n"
    except RetryableError as error:
        log.warning("events_interrupted", source_id=source_id, error=str(error))  # the client reconnects


async def _socket(state: AppState, socket: WebSocket, source_id: str | None, since: str) -> None:
    async def check() -> None:
        cursor_of(state, source_id, "", since)
        if source_id is not None:
            await find(state, source_id)

    if not await accept(socket, check()):
        return

    async def send() -> None:
        async for note, items in follow(state, source_id, cursor_of(state, source_id, "", since)):
            if note:
                await socket.send_text(note)
            for item, at in items:
                await socket.send_text(item.message(at))

    try:
        await send_until_gone(socket, send())
    except RetryableError as error:
        await close(socket, TRY_AGAIN, str(error))
    else:
        await close(socket, GOING_AWAY)


class EventStream(EventSourceResponse):
    """Disconnects a client that has not read for `SEND_TIMEOUT_S`.

    Its queue is freed at once; the socket ends by the listener's TCP timeout.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("client_stalled", path=scope["path"], after_s=SEND_TIMEOUT_S)
            while (await receive())["type"] != "http.disconnect":
                pass


def _stream(state: AppState, source_id: str | None, since: list[str] | None) -> EventSourceResponse:
    return EventStream(
        _sse(state, source_id, since), ping=PING_S, send_timeout=SEND_TIMEOUT_S, headers={"X-Accel-Buffering": "no"}
    )


@router.get("/events", responses=STREAM)
async def all_events(state: StateDep, last_event_id: LastId = "", since: Since = "") -> EventSourceResponse:
    """Every source's events. The `id:` resumes as for one source."""
    return _stream(state, None, cursor_of(state, None, last_event_id, since))


@router.get("/sources/{source_id}/events", responses=STREAM)
async def events(source_id: Id, state: StateDep, last_event_id: LastId = "", since: Since = "") -> EventSourceResponse:
    """One source's events: `decision`, `start`, `delta`, `end`, `error`, `state`, and `lagged` when some were missed.

    Every `id:` is the id of the entry in the source's feedback stream.
    """
    cursor = cursor_of(state, source_id, last_event_id, since)
    await find(state, source_id)
    return _stream(state, source_id, cursor)


@router.websocket("/events.ws")
async def all_events_socket(socket: WebSocket, state: StateDep, since: str = "") -> None:
    """The twin of `/api/events`: each message is an event as JSON, its cursor under `id`."""
    await _socket(state, socket, None, since)


@router.websocket("/sources/{source_id}/events.ws")
async def events_socket(socket: WebSocket, source_id: str, state: StateDep, since: str = "") -> None:
    """The twin of `/api/sources/{source_id}/events`."""
    await _socket(state, socket, source_id, since)


@router.get("/sources/{source_id}/history")
async def history(
    source_id: Id,
    state: StateDep,
    limit: Annotated[int, Query(ge=1, le=5000, description="events looked at, newest")] = 1500,
) -> Deltas:
    """The newest events, oldest first; of finished requests only the end, which holds the whole text."""
    await find(state, source_id)
    (key,) = state.hub.keys_of(source_id)
    with patient_errors():
        rows = await state.bus.redis.xrevrange(key, count=limit)
    rows.reverse()
    last_id = rows[-1][0].decode() if rows else "0-0"
    return Deltas(events=shorten(read_rows(rows)), last_id=last_id, complete=len(rows) < limit)
