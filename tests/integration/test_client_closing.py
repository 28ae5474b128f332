"""A closed client has no connection left: not of a command that connects meanwhile, nor of one that comes later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
import redis.exceptions
from redis.asyncio import Redis

from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.cluster_client import ClusterClient, close_all
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.open_client import open_client
from cornerman_shared.bus.streams import SHARDS

pytestmark = pytest.mark.topologies("cluster", "sentinel")


class Connections:
    """Every connection that is opened; each waits until `gate` is set."""

    def __init__(self, open_one: Callable[..., Any]) -> None:
        self._open_one = open_one
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self, *given: Any, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._open_one(*given, **options)
        self.writers.append(writer)
        self.waiting.set()
        await self.gate.wait()
        self.waiting.clear()
        return reader, writer

    def left_open(self) -> int:
        return sum(not writer.is_closing() for writer in self.writers)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Connections:
    opened = Connections(asyncio.open_connection)
    monkeypatch.setattr("asyncio.open_connection", opened.open)
    unix = Connections(asyncio.open_unix_connection)
    unix.gate, unix.waiting, unix.writers = opened.gate, opened.waiting, opened.writers
    monkeypatch.setattr("asyncio.open_unix_connection", unix.open)
    return opened


@pytest.fixture
async def client(bus: Bus, opened: Connections) -> AsyncIterator[Redis]:
    client = open_client(bus.url)
    yield client
    opened.gate.set()
    await client.aclose()


async def test_connection_made_while_closing_is_closed(client: Redis, opened: Connections) -> None:
    opened.gate.clear()
    command = asyncio.create_task(client.get("k"))
    await opened.waiting.wait()
    await client.aclose()
    opened.gate.set()
    with pytest.raises(redis.exceptions.ConnectionError):
        await command
    assert opened.left_open() == 0


async def test_command_under_way_fails_at_closing(bus: Bus, client: Redis, opened: Connections) -> None:
    reading = asyncio.create_task(client.xread({f"{{{SHARDS}}}s": "$"}, block=60_000))
    while "xread" not in [each["cmd"] for each in await bus.redis.client_list()]:
        await asyncio.sleep(0.01)
    await client.aclose()
    with pytest.raises(redis.exceptions.ConnectionError):
        await reading
    assert opened.left_open() == 0


async def test_closed_client_opens_nothing(client: Redis, opened: Connections) -> None:
    await client.set("k", 1)
    await client.aclose()
    made = len(opened.writers)
    for command in (client.get("k"), client.get(SHARDS), client.ping()):
        with pytest.raises(redis.exceptions.ConnectionError, match=r"closed|no node|No master"):
            await command
    assert (len(opened.writers), opened.left_open()) == (made, 0)


async def test_workers_that_go_on_leave_nothing_open(bus: Bus, opened: Connections) -> None:
    """Commands that are sent again and again, as `retry` does, while the client is closed at any moment."""
    for n in range(12):
        client = open_client(bus.url)

        async def work(key: str, client: Redis = client) -> None:
            while True:
                with suppress(redis.exceptions.ConnectionError):
                    await client.get(key)
                await asyncio.sleep(0)

        workers = [asyncio.create_task(work(f"k{each}")) for each in range(8)]
        for _ in range(5 * n):
            await asyncio.sleep(0)
        await client.aclose()
        for _ in range(20):
            await asyncio.sleep(0)
        await cancel_all(*workers)
    assert opened.left_open() == 0


async def test_connection_replaced_while_closing_is_kept(client: Redis) -> None:
    """redis-py forgot the new one when the old one was closed at last: so it stayed open."""
    await client.set("k", 1)
    node = await _node(client)
    connection = await node.connection_pool.get_connection()
    try:
        old = connection._writer
        closing = asyncio.create_task(connection.disconnect())
        await asyncio.sleep(0)
        await connection.connect()
        assert connection._writer is not old
        await closing
        assert connection.is_connected
    finally:
        await node.connection_pool.release(connection)


async def test_failed_closing_closes_the_others() -> None:
    closed = []

    class Stuck(Redis):  # type: ignore[misc]
        async def aclose(self, close_connection_pool: bool | None = None) -> None:
            raise redis.exceptions.ConnectionError("stuck")

    class Fine(Redis):  # type: ignore[misc]
        async def aclose(self, close_connection_pool: bool | None = None) -> None:
            closed.append(self)

    with pytest.raises(redis.exceptions.ConnectionError, match="stuck"):
        await close_all([Stuck(), Fine(), Fine()])
    assert len(closed) == 2


async def _node(client: Redis) -> Redis:
    return next(iter((await client.masters()).values())) if isinstance(client, ClusterClient) else client
