"""Deciders that stop, die, lose their lease or get poison: another continues, and no chunk is decided twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cornerman_decider.service import decide_loop
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import (
    DecisionEvent,
    StateEvent,
)
from tests.integration.decider_harness import (
    credit_is_back,
    decided,
    decider,
    features,
    has_decided,
    register,
    requests,
    send,
)
from tests.integration.service_harness import SOURCE, counters, events, service_context
from tests.integration.waiting import expire_key, until


async def test_second_decider_continues_after_first(bus: Bus) -> None:
    await register(bus, speak={"every_chunks": 5, "min_interval_s": 0})
    async with decider(bus, "d1"):
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await send(bus, *[await features(bus, seq) for seq in (4, 5)])  # held while 3 is awaited
        await until(lambda: has_decided(bus, 3))
    async with decider(bus, "d2"):
        await send(bus, await features(bus, 3))
        await until(lambda: has_decided(bus, 6))
    assert await decided(bus) == list(range(6))
    assert [r.seq for r in await requests(bus)] == [4]
    assert (await counters(bus))["decided"] == 6


async def test_lease_passes_to_second_decider(bus: Bus) -> None:
    await register(bus)
    async with decider(bus, "d1") as first, decider(bus, "d2"):
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await until(lambda: has_decided(bus, 3))
        first.stopping.set()
        await send(bus, *[await features(bus, seq) for seq in range(3, 6)])
        await until(lambda: has_decided(bus, 6))
    assert await decided(bus) == list(range(6))
    assert (await counters(bus))["decided"] == 6


async def test_lost_lease_stops_decider(bus: Bus) -> None:
    await register(bus)
    keys = bus.keys(SOURCE)
    async with decider(bus, "d1"):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        await bus.redis.set(keys.lease("decider"), "other-owner")
        await bus.redis.incr(keys.fence("decider"))
        await send(bus, await features(bus, 1))
        await asyncio.sleep(0.5)
        assert await decided(bus) == [0]
        await expire_key(bus, keys.lease("decider"))
        await until(lambda: has_decided(bus, 2))  # it takes the lease again when the other's has expired
    assert await decided(bus) == [0, 1]


async def test_new_run_drops_old_chunks(bus: Bus) -> None:
    await register(bus)
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await bus.redis.hset(keys.run(SOURCE), "run", "r1")
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await until(lambda: has_decided(bus, 3))
        await bus.redis.hset(keys.run(SOURCE), "run", "r2")
        await bus.redis.delete(keys.counters(SOURCE))
        await send(bus, await features(bus, 3), *[await features(bus, seq, run="r2") for seq in range(2)])
        await send(bus, await features(bus, 4))
        await until(lambda: has_decided(bus, 5))
        await until(lambda: credit_is_back(bus))
    assert [(e.run, e.seq) for e in await events(bus, DecisionEvent)] == [
        ("r1", 0), ("r1", 1), ("r1", 2), ("r2", 0), ("r2", 1)
    ]  # fmt: skip
    assert await counters(bus) == {"decided": 2}
    assert not await bus.redis.exists(keys.blob(SOURCE, "r1", 3, "video"))


async def test_undeliverable_features_are_buried(bus: Bus) -> None:
    await register(bus)
    keys = bus.keys(SOURCE)
    await bus.redis.xgroup_create(keys.features, "decider", id="0", mkstream=True)
    await send(bus, await features(bus, 0, lossless=True))
    ((_, [(entry_id, _)]),) = await bus.redis.xreadgroup("decider", "dead", {keys.features: ">"})
    await bus.redis.xclaim(keys.features, "decider", "dead", 0, [entry_id], retrycount=9)
    async with decider(bus):
        await send(bus, await features(bus, 1, lossless=True))
        await until(lambda: has_decided(bus, 2))
    assert await counters(bus) == {"buried": 1, "decided": 1}
    assert await bus.redis.xlen(keys.dead) == 1
    assert (await events(bus, DecisionEvent))[0].reason.startswith("buried: delivered")


async def test_buried_end_marker_ends_run(bus: Bus) -> None:
    await register(bus)
    keys = bus.keys(SOURCE)
    await bus.redis.xgroup_create(keys.features, "decider", id="0", mkstream=True)
    await send(bus, await features(bus, 2, lossless=True, status="end"))
    ((_, [(entry_id, _)]),) = await bus.redis.xreadgroup("decider", "dead", {keys.features: ">"})
    await bus.redis.xclaim(keys.features, "decider", "dead", 0, [entry_id], retrycount=9)
    async with decider(bus):
        await send(bus, await features(bus, 0, lossless=True), await features(bus, 1, lossless=True))
        await until(lambda: events(bus, StateEvent))
    assert await decided(bus) == [0, 1]
    assert (await events(bus))[-1].state == "ended"
    assert await bus.redis.hget(keys.run(SOURCE), "done") == b"1"


@pytest.mark.parametrize("times", [3])
async def test_killed_deciders_decide_each_chunk_once(bus: Bus, times: int) -> None:
    await register(bus, speak={"every_chunks": 3, "min_interval_s": 0, "deadline_s": 0})
    template = service_context(bus, "decider", "k")
    for attempt in range(times):
        context = replace(template, name=f"k{attempt}", stopping=asyncio.Event())
        async with Bus.connect(bus.settings) as own:
            context.bus = own
            task = asyncio.create_task(decide_loop(context))
            await send(bus, *[await features(bus, attempt * 10 + i, lossless=True) for i in range(10)])
            await asyncio.sleep(0.15 + 0.2 * attempt)
            task.cancel()
            await asyncio.wait([task])
            await bus.redis.delete(bus.keys(SOURCE).open_requests)
    async with decider(bus, "last"):
        while not await has_decided(bus, times * 10):
            await bus.redis.delete(bus.keys(SOURCE).open_requests)
            await asyncio.sleep(0.05)
    assert await decided(bus) == list(range(times * 10))
    assert (await counters(bus))["decided"] == times * 10
    made = [request.seq for request in await requests(bus)]
    assert made == [seq for seq in range(times * 10) if (seq + 1) % 3 == 0]
