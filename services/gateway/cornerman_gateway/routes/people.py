"""`/api/sources/{id}/people.ws`: landmarks with their media times, for pages that draw skeletons over the picture."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from cornerman_gateway.app_state import StateDep
from cornerman_gateway.core import to_json
from cornerman_gateway.lookup import find
from cornerman_gateway.people import SeenPeople
from cornerman_gateway.sockets import GOING_AWAY, TRY_AGAIN, accept, close, send_until_gone
from cornerman_shared.errors import RetryableError

router = APIRouter(prefix="/api/sources/{source_id}", tags=["video"])


@router.websocket("/people.ws")
async def people_socket(socket: WebSocket, source_id: str, state: StateDep) -> None:
    """Each message is JSON: `run`, `seq`, and `frames` of `pts_s`, `people` and their `rows` in the chunk.

    A person is 33 BlazePose landmarks of x, y (parts of the picture) and visibility. Only the pose encoder gives them.
    """
    if not await accept(socket, find(state, source_id)):
        return

    async def send() -> None:
        async for message in SeenPeople(state.bus, source_id).messages():
            await socket.send_text(to_json(message))

    try:
        await send_until_gone(socket, send())
    except RetryableError as error:
        await close(socket, TRY_AGAIN, str(error))
    else:
        await close(socket, GOING_AWAY)
