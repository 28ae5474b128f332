"""WebSockets: one that sends until either side has had enough, and close codes that say why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from cornerman_gateway.problems import Problem

GOING_AWAY = 1001
UNUSABLE = 1003
TRY_AGAIN = 1013


async def refuse(socket: WebSocket, problem: Problem) -> None:
    """Accepts and closes with 4000 + the HTTP status, because a browser cannot see why a handshake failed."""
    await socket.accept()
    await close(socket, 4000 + problem.body.status, problem.body.title)


async def close(socket: WebSocket, code: int, reason: str = "") -> None:
    """Closes; a client that has gone is no error."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason[:120])


async def send_until_gone(socket: WebSocket, sending: Coroutine[Any, Any, None]) -> None:
    """Runs `sending` until it ends or the client goes; what the client says meanwhile is not read."""
    sender = asyncio.create_task(sending)
    watcher = asyncio.create_task(_gone(socket))
    try:
        await asyncio.wait({sender, watcher}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sender, watcher):
            task.cancel()
        results = await asyncio.gather(sender, watcher, return_exceptions=True)
    for result in results:
        gone = isinstance(result, (asyncio.CancelledError, WebSocketDisconnect, RuntimeError))
        if isinstance(result, BaseException) and not gone:
            raise result


async def _gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
