"""A fail-over that loses acknowledged writes: everything heals, and what was lost is counted and told."""

from __future__ import annotations

import asyncio

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.registry import RegistryWatcher, add_source, read_registry
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.capture_harness import (
    CHUNKS,
    capture,
    chunks,
    counters,
    give_back_credit,
    has_chunks,
    is_state,
    spec,
)
from tests.integration.decider_harness import credit_is_back, decided, decider, features, has_decided, register, send
from tests.integration.lost_writes import go_back, remember
from tests.integration.service_harness import SOURCE, events
from tests.integration.service_harness import counters as source_counters
from tests.integration.waiting import until, until_reading


async def told(bus: Bus, source_id: str = SOURCE) -> list[str]:
    found = await bus.redis.xrange(bus.keys(source_id).feedback(source_id))
    return [
        message for _, fields in found for message in [fields[b"m"].decode(errors="replace")] if "fail-over" in message
    ]


async def test_lost_generation_is_not_given_again(bus: Bus) -> None:
    """Two owners of one generation would both pass the fence."""
    keys = bus.keys("cam")
    first, second = (Lease(bus, keys, "capture:cam", name) for name in ("one", "two"))
    before = await remember(bus)
    assert await first.acquire()
    await go_back(bus, before)
    assert await second.acquire()
    assert first.generation != second.generation
    with pytest.raises(FencedError):
        await Hop().count(keys.counters("cam"), "x").run(bus.scripts, fence=first.fence, generation=first.generation)
    assert not await first.renew()


async def test_lost_incarnation_is_not_given_again(bus: Bus) -> None:
    before = await remember(bus)
    await add_source(bus, SourceSpec(source_id="cam", url="test://bars"))
    lost = (await read_registry(bus)).incarnations["cam"]
    await go_back(bus, before)
    await add_source(bus, SourceSpec(source_id="cam", url="test://other"))
    assert (await read_registry(bus)).incarnations["cam"] != lost


async def test_watcher_reads_again_after_interruption(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = RegistryWatcher(bus)
    await add_source(bus, SourceSpec(source_id="cam", url="test://bars"))
    assert await watcher.refresh() and not await watcher.refresh()
    with monkeypatch.context() as patch, pytest.raises(RetryableError):
        patch.setattr(bus.redis, "get", _away)
        await watcher.refresh()
    # A fail-over has lost the source, and another change has raised the counter to the same number.
    await bus.redis.hdel(bus.keys("cam").sources, "cam")
    assert await watcher.refresh()
    assert watcher.specs == {}


async def _away(*_: object) -> None:
    raise ConnectionError("gone")


async def test_lost_decisions_are_made_again(bus: Bus) -> None:
    await register(bus)
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(2)])
        await until(lambda: has_decided(bus, 2))
        await send(bus, *[await features(bus, seq) for seq in range(3, 5)])  # held while 2 is awaited
        before = await remember(bus)
        await send(bus, await features(bus, 2))
        await until(lambda: has_decided(bus, 5))
        await go_back(bus, before)
        await send(bus, await features(bus, 2))
        await until(lambda: has_decided(bus, 5))
        await until(lambda: credit_is_back(bus))
    assert await decided(bus) == list(range(5))
    assert (await source_counters(bus))["decided"] == 5
    assert any("lost the newest" in event.message for event in await events(bus, ErrorEvent))


async def test_run_that_began_unseen_is_decided(bus: Bus) -> None:
    """The replica has the features of a run, and none of its decisions."""
    await register(bus)
    async with decider(bus) as context:
        await until(lambda: bus.redis.exists(bus.keys(SOURCE).lease("decider")))
        messages = [await features(bus, seq) for seq in range(3)]
        await send(bus, *messages)
        await until(lambda: has_decided(bus, 3))
        moment = await remember(bus)
        for name in (bus.keys(SOURCE).decider_state(SOURCE), bus.keys(SOURCE).feedback(SOURCE)):
            moment.keys.pop(name.encode())
        moment.keys.pop(bus.keys(SOURCE).counters(SOURCE).encode())
        await go_back(bus, moment)
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await until(lambda: has_decided(bus, 3))
        assert not context.stopping.is_set()
    assert await decided(bus) == [0, 1, 2]


async def test_live_source_counts_lost_chunks(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(lossless=False, realtime=True, loop=True))
    async with capture(settings), asyncio.TaskGroup() as tasks:
        giving = tasks.create_task(give_back_credit(bus))
        await until(has_chunks(bus, 2))
        before = await remember(bus)
        there = len(await chunks(bus))
        await until(has_chunks(bus, there + 2))
        await go_back(bus, before)

        async def counted() -> bool:
            return (await counters(bus)).get("dropped:failover", 0) >= 1

        await until(counted)
        await until(has_chunks(bus, there + 4))
        giving.cancel()
    assert [chunk.seq for chunk in await chunks(bus)] == list(range(len(await chunks(bus))))
    assert await told(bus, "cam1")


async def test_lossless_file_publishes_lost_chunks_again(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(credit=2))
    async with capture(settings):
        await until(has_chunks(bus, 2))
        before = await remember(bus)
        keys = bus.keys("cam1")
        for chunk in await chunks(bus):
            await bus.redis.zrem(keys.inflight("cam1"), f"{chunk.run}:{chunk.seq}")
        await until(has_chunks(bus, 4))
        await go_back(bus, before)
        async with asyncio.TaskGroup() as tasks:
            giving = tasks.create_task(give_back_credit(bus))
            await until(is_state(bus, "ended"))
            giving.cancel()
    assert [chunk.seq for chunk in await chunks(bus)] == list(range(CHUNKS + 1))
    assert (await counters(bus))["published"] == CHUNKS


async def test_lost_end_of_run_is_published_again(
    bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_source(bus, spec())
    async with capture(settings) as context:
        await until(has_chunks(bus, CHUNKS))
        await until(is_state(bus, "ended"))
        moment = await remember(bus)
        keys = bus.keys("cam1")
        await go_back(bus, moment)
        await bus.redis.hset(keys.run("cam1"), mapping={"ended": "0", "state": "playing"})
        await bus.redis.xtrim(keys.chunks, maxlen=CHUNKS, approximate=False)
        with monkeypatch.context() as patch:
            patch.setattr(context.bus.redis, "get", _away)
            await asyncio.sleep(0.2)  # some polls of the registry fail, as they do in every fail-over
        await until(is_state(bus, "ended"))
    assert (await chunks(bus))[-1].end


async def test_subscription_follows_a_stream_back(bus: Bus) -> None:
    await bus.emit(ErrorEvent("cam", "r", "capture", "kept", 1.0))
    before = await remember(bus)
    got: list[str] = []

    async def read() -> None:
        async for _, event in bus.subscribe("cam", since="0"):
            assert isinstance(event, ErrorEvent)
            got.append(event.message)

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        await until_reading(bus)
        # Of a server whose clock is ahead: ids of its successor are lower.
        key = bus.keys("cam").feedback("cam")
        newest = (await bus.redis.xrevrange(key, count=1))[0]
        await bus.redis.xadd(key, newest[1], id=f"{int(newest[0].split(b'-')[0]) + 3_600_000}-0")
        await until(lambda: _has(got, 2))
        await go_back(bus, before)
        await bus.redis.client_kill_filter(_type="normal", skipme=True)
        await until_reading(bus)
        await bus.emit(ErrorEvent("cam", "r", "capture", "new", 1.0))
        await until(lambda: _has(got, 3))
        reading.cancel()
    assert got[-1] == "new"


async def _has(items: list[str], count: int) -> bool:
    return len(items) >= count
