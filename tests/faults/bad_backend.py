"""A server for the back end `openai` that misbehaves: errors, cut connections, garbage, silence, half characters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops"
WAYS = ("error", "cut", "garbage", "silence", "half", "endless", "good")


@contextlib.asynccontextmanager
async def bad_backend(seed: int) -> AsyncIterator[str]:
    """Serves until the block ends; yields its base URL."""
    drawn = random.Random(seed)
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            await misbehave(drawn.choice(WAYS), reader, writer)
        writer.close()
        open_now.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for writer in open_now:
            writer.close()


async def misbehave(way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request in one of the `WAYS`."""
    if way == "cut":
        return
    if way == "error":
        writer.write(ERROR)
    elif way == "garbage":
        writer.write(HEAD + b"\xff\xfe{]\x00 data: nothing\n\n")
    elif way == "silence":
        writer.write(HEAD)
        await writer.drain()
        while await reader.read(1 << 16):  # until the client gives up
            pass
    elif way == "endless":
        writer.write(HEAD + b"data: ")
        for _ in range(64):
            writer.write(b"x" * (1 << 16))
            await writer.drain()
    else:
        texts = ("Keep ", "going \ud83d", "\ude00.") if way == "half" else ("Keep ", "going.")
        pieces = (json.dumps({"choices": [{"delta": {"content": text}}]}) for text in texts)
        writer.write(HEAD + "".join(f"data: {piece}\n\n" for piece in pieces).encode() + b"data: [DONE]\n\n")
    await writer.drain()
