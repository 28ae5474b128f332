"""A server that is full, one that evicts keys, and databases that a server does not have."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.open_client import database_fault
from cornerman_shared.bus.server_memory import ServerMemory, read_memory
from cornerman_shared.errors import ConfigError
from tests.conftest import Server

FAKE = ("--set", "encoder.backend=fake")
"""With it no sentence is due about which coach watches."""


async def command(*words: str, **environment: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_status_says_that_server_is_full(own_bus: Bus) -> None:
    await own_bus.redis.set("other", b"x" * 100_000)
    used = (await read_memory(own_bus)).used_bytes
    await own_bus.redis.config_set("maxmemory", used // 2)
    code, out, _ = await command("status", "--json", "--redis", own_bus.url)
    server = json.loads(out)["server"]
    assert (code, server["full"], server["policy"]) == (0, True, "noeviction")
    code, out, _ = await command("status", "--once", "--redis", own_bus.url)
    assert code == 0 and "the server is full" in out and "raise maxmemory" in out


async def test_run_waits_for_room_and_ends_in_time(own_bus: Bus, short_clip: str) -> None:
    """It warned once, and went on for ever."""
    await own_bus.redis.set("other", b"x" * 100_000)
    used = (await read_memory(own_bus)).used_bytes
    await own_bus.redis.config_set("maxmemory", used)
    run = ("run", short_clip, "--encoder", "mobile_videogpt", "--redis", own_bus.url, "--set", "runtime.down_s=0.5")
    code, out, err = await command(*run)
    assert (code, out) == (70, "")
    waits, ends = err.strip().splitlines()
    assert "of its maxmemory; raise it, or watch fewer sources; waiting for room" in waits
    assert "no room on the server for" in ends and "(runtime.down_s)" in ends


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru"])
async def test_evicting_server_is_refused(own_bus: Bus, policy: str) -> None:
    await own_bus.redis.config_set("maxmemory", 1 << 30)
    await own_bus.redis.config_set("maxmemory-policy", policy)
    code, out, err = await command("run", "test://pattern?seconds=1", *FAKE, "--redis", own_bus.url)
    assert (code, out) == (78, "")
    assert f"the server evicts keys (maxmemory-policy {policy})" in err and "noeviction" in err
    assert len(err.strip().splitlines()) == 1
    assert not await own_bus.redis.hlen(own_bus.keys("pattern").sources)


async def test_service_refuses_evicting_server(own_bus: Bus) -> None:
    await own_bus.redis.config_set("maxmemory-policy", "allkeys-lfu")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cornerman_decider"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "CORNERMAN_REDIS_URL": own_bus.url},
    )
    out, _ = await process.communicate()
    assert process.returncode == 78 and b"evicts keys" in out


@pytest.mark.parametrize("words", [("run", "test://pattern?seconds=1", *FAKE), ("status", "--once"), ("up", *FAKE)])
async def test_missing_database_is_one_sentence(own_server: Server, words: tuple[str, ...]) -> None:
    code, out, err = await command(*words, "--redis", f"{own_server.url}?db=99")
    assert (code, out) == (78, "")
    assert "--redis names a database that the server does not have" in err
    assert len(err.strip().splitlines()) == 1


async def test_bus_names_the_missing_database(own_bus: Bus) -> None:
    async with Bus.connect(own_bus.settings) as bus:
        bus.redis.connection_pool.connection_kwargs["db"] = 99
        with pytest.raises(ConfigError, match="DB index is out of range"):
            await bus.ready(60)


@pytest.mark.parametrize(
    "url", ["redis://h/x", "redis://h:1/-1", "redis://h/1/2", "unix:///s?db=first", "redis://h?db="]
)
def test_database_must_be_a_number(url: str) -> None:
    assert "is not a number" in database_fault(url)


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://h/", "redis://h/3", "unix:///a/b.sock?db=2", "rediss://h:1/0?ssl=x"]
)
def test_database_of_a_url_is_accepted(url: str) -> None:
    assert database_fault(url) == ""


def test_memory_without_limit_is_not_full() -> None:
    assert ServerMemory(10**12, 0, "noeviction").fault == ""
    assert ServerMemory(98, 100, "").fault == ""
    assert ServerMemory(99, 100, "").full
