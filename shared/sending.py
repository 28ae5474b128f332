"""Makes redis-py's sending heed cancellation on Python 3.11.

redis-py sends with `asyncio.wait_for`, and up to Python 3.11 `wait_for` swallows a cancellation that arrives in the
very moment in which the send completes. The task then lives on, although it was cancelled once and will not be again:
a TaskGroup waits for it for ever, a process never drains. `asyncio.timeout` has no such hole. Python 3.12 mended
`wait_for` itself (gh-96764), so there nothing is changed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import redis.exceptions
from redis.asyncio.connection import AbstractConnection

_send = AbstractConnection.send_packed_command


async def send_packed_command(self: AbstractConnection, command: Any, check_health: bool = True) -> None:
    """redis-py's own, under a timeout that lets cancellation through."""
    limit_s = self.socket_timeout
    if limit_s is None:
        await _send(self, command, check_health)
        return
    self.socket_timeout = None  # so that redis-py uses no `wait_for`
    try:
        async with asyncio.timeout(limit_s):
            await _send(self, command, check_health)
    except TimeoutError as error:
        raise redis.exceptions.TimeoutError("Timeout writing to socket") from error
    finally:
        self.socket_timeout = limit_s


def install() -> None:
    """Puts it in place, once, where it is needed."""
    if sys.version_info < (3, 12):
        AbstractConnection.send_packed_command = send_packed_command
