"""Lossy proxy between clients and the server: drops replies, cuts connections and delays, with a seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path


class LossyProxy:
    """Forwards a unix socket to another one.

    Args:
        drop: probability that a piece of a reply is dropped and its connection cut, so that the result stays unknown.
        cut: probability that a connection is cut before a request reaches the server.
        delay_s: upper bound of the delay of a piece, seconds.
    """

    def __init__(self, path: Path, target: Path, seed: int, *, drop: float, cut: float, delay_s: float) -> None:
        self.path = path
        self.dropped = 0
        self.cut = 0
        self.calm = False
        self._target = target
        self._random = random.Random(seed)
        self._chances = (drop, cut, delay_s)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> LossyProxy:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # a connection just accepted gets its task first, which is cancelled below
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            from_server, to_server = await asyncio.open_unix_connection(str(self._target))
            up = asyncio.create_task(self._pump(from_client, to_server, is_reply=False))
            down = asyncio.create_task(self._pump(from_server, to_client, is_reply=True))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (up, down):
                    pump.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
                to_server.close()
        except OSError:
            return  # the server is down: the client sees a closed connection
        finally:
            to_client.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool) -> None:
        drop, cut, delay_s = self._chances
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                if not self.calm:
                    if is_reply and self._random.random() < drop:
                        self.dropped += 1
                        return
                    if not is_reply and self._random.random() < cut:
                        self.cut += 1
                        return
                    await asyncio.sleep(self._random.random() * delay_s)
                writer.write(piece)
                await writer.drain()
