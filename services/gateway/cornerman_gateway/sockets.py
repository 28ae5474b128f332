"""WebSockets: sending until either side ends, and close codes with their reason."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from cornerman_gateway.problems import Problem
from cornerman_shared.aio import first_of
from cornerman_shared.errors import RetryableError

GOING_AWAY = 1001
UNUSABLE = 1003
TRY_AGAIN = 1013


async def refuse(socket: WebSocket, problem: Problem) -> None:
    """Accepts and closes with 4000 + the HTTP status, because a browser cannot see why a handshake failed."""
    await socket.accept()
    await close(socket, 4000 + problem.body.status, problem.body.title)


async def accept(socket: WebSocket, check: Awaitable[object]) -> bool:
    """Accepts the socket if `check` passes; else refuses it with the problem, or 503 where the server is away."""
    try:
        await check
    except Problem as problem:
        await refuse(socket, problem)
        return False
    except RetryableError as error:
        await refuse(socket, Problem(503, str(error)))
        return False
    await socket.accept()
    return True


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
