"""A task that is cancelled while it talks to the server ends.

With `asyncio.wait_for` of Python 3.11 a cancellation was swallowed when it came in the moment in which a send
completed: a capture process that was to stop lived on, cancelled but running.
"""

import asyncio

import pytest
from redis.asyncio.connection import AbstractConnection

from shared import sending
from shared.bus import Bus

sending.install()


async def test_a_cancellation_at_any_step_of_a_command_is_heeded(bus: Bus) -> None:
    for steps in range(12):

        async def talk() -> None:
            while True:
                await bus.redis.ping()

        task = asyncio.create_task(talk())
        for _ in range(40 + steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=2.0)
        task.cancel()
        assert done, f"cancelled after {40 + steps} steps of the loop, and still running"


async def test_a_send_that_takes_too_long_is_a_timeout_of_the_server(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis.exceptions

    async def stuck(self: AbstractConnection, command: object, check_health: bool = True) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(sending, "_send", stuck)
    connection = await bus.redis.connection_pool.get_connection()
    connection.socket_timeout = 0.05
    try:
        with pytest.raises(redis.exceptions.TimeoutError):
            await sending.send_packed_command(connection, b"PING\r\n")
        assert connection.socket_timeout == 0.05
    finally:
        await bus.redis.connection_pool.disconnect()
