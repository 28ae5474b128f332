"""Forwards TCP connections to the server's socket, each piece later by a fixed delay: a long line between hosts.

    python -m tests.netns.slow SOCKET DELAY_MS

The pieces stay in order and do not wait for each other, as on a line of that length.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from tests.netns.hosts import BUS_ADDRESS, SLOW_PORT

HELD = 256  # pieces on the way


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Forwards until one side ends."""
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD)
    loop = asyncio.get_running_loop()

    async def deliver() -> None:
        while (item := await held.get())[1]:
            await asyncio.sleep(max(0.0, item[0] - loop.time()))
            writer.write(item[1])
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            await held.put((loop.time() + delay_s, piece))
    await held.put((0.0, b""))
    with contextlib.suppress(ConnectionError):
        await delivering
        writer.close()


async def serve(path: str, delay_s: float) -> None:
    """Serves until the process ends."""

    async def connection(from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            from_server, to_server = await asyncio.open_unix_connection(path)
            await asyncio.gather(pump(from_client, to_server, delay_s), pump(from_server, to_client, delay_s))

    server = await asyncio.start_server(connection, BUS_ADDRESS, SLOW_PORT)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]) / 1000))
