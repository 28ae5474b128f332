"""Connections whose commands can be cancelled, and a pool of them that stays closed.

Of redis-py alone, a command that comes after its client was closed opens a connection, and one that connects meanwhile
keeps it, and neither is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import cache
from typing import Any, Final

import redis.exceptions
from redis.asyncio import BlockingConnectionPool

CLOSED: Final = "the client is closed"


class ClosingPool(BlockingConnectionPool):  # type: ignore[misc]
    """A pool of `closing` connections; a caller waits for a free one.

    `ConnectionPool` raises when all sockets are in use. Once closed, no connection is made or made again.
    """

    is_closed = False

    @property
    def in_use(self) -> int:
        """Connections on which commands run, or that connect."""
        return len(self._in_use_connections)

    def make_connection(self) -> Any:
        if self.is_closed:
            raise redis.exceptions.ConnectionError(CLOSED)
        return super().make_connection()

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Ends connections; with those in use, by which redis-py closes a client, for good."""
        if inuse_connections:
            self.is_closed = True
            for connection in [*self._available_connections, *self._in_use_connections]:
                connection.is_closed = True
        await super().disconnect(inuse_connections)


@cache
def closing(kind: Any) -> Any:
    """Subclass of a connection class for a `ClosingPool`.

    It sends without `asyncio.wait_for`: on Python 3.11 that loses a cancellation that arrives when the command has just
    been sent, and the task would never end.
    """

    class Closing(kind):  # type: ignore[misc]
        socket_timeout: float | None
        is_closed = False

        async def send_packed_command(self, command: object, check_health: bool = True) -> None:
            limit_s = self.socket_timeout
            self.socket_timeout = None
            try:
                async with asyncio.timeout(limit_s):
                    await super().send_packed_command(command, check_health)
            except TimeoutError:
                raise redis.exceptions.TimeoutError(f"not sent within {limit_s} s") from None
            finally:
                self.socket_timeout = limit_s

        async def _connect(self) -> None:
            if not self.is_closed:
                await super()._connect()
            if self.is_closed:  # perhaps while it connected
                await self.disconnect(nowait=True)
                raise redis.exceptions.ConnectionError(CLOSED)

        async def disconnect(self, nowait: bool = False, **reason: Any) -> None:
            """Ends the connection at once, so that a task that connects again while this one waits keeps its own."""
            writer = self._writer
            await super().disconnect(nowait=True, **reason)
            if writer is None or nowait:
                return
            with contextlib.suppress(OSError):  # that of a broken connection, which is closed all the same
                try:
                    async with asyncio.timeout(self.socket_connect_timeout):
                        await writer.wait_closed()
                except TimeoutError:
                    writer.transport.abort()  # the server does not take what was still to be sent

    return Closing
