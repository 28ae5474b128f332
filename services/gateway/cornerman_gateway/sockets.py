"""WebSockets: sending until either side ends, and close codes with their reason."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from cornerman_shared.aio import first_of

if TYPE_CHECKING:
    from cornerman_gateway.problems import Problem

GOING_AWAY = 1001
UNUSABLE = 1003
TRY_AGAIN = 1013


async def refuse(socket: WebSocket, problem: Problem) -> None:
    """Accepts and closes with 4000 + the HTTP status, because a browser cannot see why a handshake failed."""
    await socket.accept()
    await close(socket, 4000 + problem.body.status, problem.body.title)


async def close(socket: WebSocket, code: int, reason: str = "") -> None:
    """Closes the socket; a client that is already gone is not an error."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason[:120])


async def send_until_gone(socket: WebSocket, sending: Coroutine[Any, Any, None]) -> None:
    """Runs `sending` until it ends or the client disconnects; messages from the client are discarded.

    Raises:
        Exception: the error of `sending`, unless it says that the client is gone.
    """
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await first_of(sending, _disconnected(socket))


async def _disconnected(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
