"""Entries of work streams that every group has settled are trimmed; what a group may still read stays."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from structlog.testing import capture_logs

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.settled import SettledEntries
from cornerman_shared.bus.streams import FIELD, GROUP_DECIDER
from tests.integration.decider_harness import decider, features, has_decided, register, send
from tests.integration.service_harness import SOURCE
from tests.integration.waiting import until

LARGE = bytes(5000)
"""A body larger than a node of a stream, so that each entry can be trimmed alone."""


async def add(bus: Bus, stream: str, count: int) -> list[str]:
    return [(await bus.redis.xadd(stream, {FIELD: LARGE})).decode() for _ in range(count)]


async def read(bus: Bus, stream: str, group: str, count: int) -> None:
    await bus.redis.xgroup_create(stream, group, id="0")
    await bus.redis.xreadgroup(group, "one", {stream: ">"}, count=count)


async def left(bus: Bus, stream: str) -> list[str]:
    return [raw.decode() for raw, _ in await bus.redis.xrange(stream)]


async def test_settled_entries_are_trimmed(bus: Bus) -> None:
    keys = bus.keys("cam")
    streams = [keys.chunks, keys.features, keys.questions, keys.requests]
    for stream in streams:
        ids = await add(bus, stream, 20)
        await read(bus, stream, "workers", 20)
        await bus.redis.xack(stream, "workers", *ids)
    assert await SettledEntries(bus, keys, 0.0).trim() == 4 * 19
    assert [len(await left(bus, stream)) for stream in streams] == [1] * 4


async def test_pending_and_unread_entries_stay(bus: Bus) -> None:
    keys = bus.keys("cam")
    ids = await add(bus, keys.features, 20)
    await read(bus, keys.features, GROUP_DECIDER, 10)
    await bus.redis.xack(keys.features, GROUP_DECIDER, *ids[:4], *ids[6:10])
    await SettledEntries(bus, keys, 0.0).trim()
    assert await left(bus, keys.features) == ids[4:]


async def test_the_slowest_group_counts(bus: Bus) -> None:
    keys = bus.keys("cam")
    ids = await add(bus, keys.features, 20)
    await read(bus, keys.features, GROUP_DECIDER, 20)
    await bus.redis.xack(keys.features, GROUP_DECIDER, *ids)
    await read(bus, keys.features, "somebody", 7)
    await bus.redis.xack(keys.features, "somebody", *ids[:7])
    await SettledEntries(bus, keys, 0.0).trim()
    assert await left(bus, keys.features) == ids[6:]


async def test_recent_entries_stay(bus: Bus) -> None:
    keys = bus.keys("cam")
    ids = await add(bus, keys.features, 20)
    await read(bus, keys.features, GROUP_DECIDER, 20)
    await bus.redis.xack(keys.features, GROUP_DECIDER, *ids)
    assert await SettledEntries(bus, keys, 60.0).trim() == 0
    assert await left(bus, keys.features) == ids


async def test_unread_stream_stays_whole(bus: Bus) -> None:
    keys = bus.keys("cam")
    ids = await add(bus, keys.chunks, 5)
    await bus.redis.xgroup_create(keys.chunks, "encoder", id="0")
    await bus.redis.set(keys.requests, "of somebody else")
    assert await SettledEntries(bus, keys, 0.0).trim() == 0
    assert await left(bus, keys.chunks) == ids


async def test_forbidden_trimming_is_told_once(bus: Bus) -> None:
    class Refusing:
        async def run(self, name: str, keys: list[str], args: list[str]) -> list[object]:
            return [0, b"NOPERM this user has no permissions to run the 'xtrim' command"]

    settled = SettledEntries(bus, bus.keys("cam"))
    settled._scripts = Refusing()  # type: ignore[assignment]
    with capture_logs() as logs:
        assert [await settled.trim(), await settled.trim()] == [0, 0]
    assert [line["event"] for line in logs] == ["streams_not_trimmed"]
    assert "+xtrim" in logs[0]["remedy"]


async def test_decider_trims_what_it_decided(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerman_decider.service.EVERY_S", 0.05)
    monkeypatch.setattr("cornerman_decider.service.SettledEntries", partial(SettledEntries, keep_s=0.0))
    await register(bus)
    with_pictures = [replace(await features(bus, seq), thumbnail=bytes(64 * 64 * 3)) for seq in range(6)]
    async with decider(bus):
        await send(bus, *with_pictures)
        await until(lambda: has_decided(bus, 6))
        await until(lambda: _has_one(bus))


async def _has_one(bus: Bus) -> bool:
    return len(await left(bus, bus.keys(SOURCE).features)) == 1
