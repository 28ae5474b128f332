"""A source that is removed, added again or replaced begins at nothing, whoever has noticed it by then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgpack
import pytest

from cornerman_decider.state_codec import STATE_FIELD, state_from
from cornerman_encoder.fake import FakeEncoder
from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import Chunk, DecisionEvent, EndEvent, Features, StateEvent, Times
from cornerman_shared.bus.publish import publish
from cornerman_shared.bus.registry import add_source, put_source, remove_source, update_source
from cornerman_shared.bus.runs import begin_run, set_state
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import FencedError
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.source import SourceSpec, SpeakSettings
from cornerman_shared.settings.tree import Settings
from tests.integration import test_encoder_service
from tests.integration.capture_harness import PATTERN, capture, chunks, is_state, spec
from tests.integration.decider_harness import decider, features, has_decided, register, send
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.waiting import until

TIMES = 10
CAMERA = "test://pattern?fps=30&seconds=0&size=32x32"


def camera(url: str = CAMERA) -> SourceSpec:
    """A live source with a chunk every few frames."""
    return spec(url, SOURCE, lossless=False, realtime=True, sample_fps=30, credit=8)


@contextlib.asynccontextmanager
async def pipeline(bus: Bus, settings: Settings) -> AsyncIterator[Context]:
    """Capture, encoder and decider in this process."""
    async with capture(settings) as context, test_encoder_service.worker(bus, FakeEncoder()), decider(bus):
        yield context


async def incarnation(bus: Bus) -> int:
    return int(await bus.redis.hget(bus.keys(SOURCE).incarnations, SOURCE) or 0)


async def decisions(bus: Bus, number: int) -> list[DecisionEvent]:
    return [event for event in await events(bus, DecisionEvent) if event.incarnation == number]


async def decides(bus: Bus, number: int, count: int = 2) -> bool:
    return len(await decisions(bus, number)) >= count


@pytest.mark.parametrize("apart_s", [0.0, 0.12])
async def test_readded_camera_begins_again(bus: Bus, settings: Settings, apart_s: float) -> None:
    await add_source(bus, camera())
    numbers = [await incarnation(bus)]
    async with pipeline(bus, settings):
        await until(partial(decides, bus, numbers[-1]))
        for _ in range(TIMES):
            await remove_source(bus, SOURCE)
            await asyncio.sleep(apart_s)
            await add_source(bus, camera())
            numbers.append(await incarnation(bus))
            await until(partial(decides, bus, numbers[-1]))
    assert numbers == sorted(set(numbers))
    seen: set[str] = set()
    for number in numbers:
        found = await decisions(bus, number)
        assert len({event.run for event in found}) == 1 and not seen & {found[0].run}
        seen.add(found[0].run)
        assert [event.seq for event in found] == list(range(len(found)))
        assert "lost" not in {event.reason for event in found}
    ended = [event for event in await events(bus, StateEvent) if event.detail == "the source was removed"]
    assert [event.incarnation for event in ended] == numbers[:-1]
    saved = await bus.redis.hget(bus.keys(SOURCE).decider_state(SOURCE), STATE_FIELD)
    assert (state_from(saved).incarnation, state_from(saved).run) == (numbers[-1], found[-1].run)


@pytest.mark.parametrize("apart_s", [0.0, 0.12])
async def test_readded_ended_file_plays(bus: Bus, settings: Settings, apart_s: float) -> None:
    file = spec(PATTERN, SOURCE)
    await add_source(bus, file)
    async with capture(settings):
        for run in range(1, TIMES + 1):
            await until(partial(ends, bus, run))
            await until(is_state(bus, "ended", source_id=SOURCE))
            await remove_source(bus, SOURCE)
            await asyncio.sleep(apart_s)
            await add_source(bus, file)
        await until(partial(ends, bus, TIMES + 1))
    found = await chunks(bus, SOURCE)
    assert len({chunk.run for chunk in found}) == TIMES + 1
    assert len({chunk.incarnation for chunk in found}) == TIMES + 1


async def ends(bus: Bus, count: int) -> bool:
    return sum(chunk.end for chunk in await chunks(bus, SOURCE)) == count


async def test_new_url_replaces_the_source(bus: Bus, settings: Settings) -> None:
    await add_source(bus, camera())
    before = await incarnation(bus)
    async with pipeline(bus, settings):
        await until(partial(decides, bus, before))
        await update_source(bus, SOURCE, {"speak": {"every_chunks": 9}})
        assert await incarnation(bus) == before  # a setting is no replacement
        await bus.redis.hset(bus.keys(SOURCE).open_requests, f"{SOURCE}:q:1", 1)
        await update_source(bus, SOURCE, {"url": CAMERA + "&seed=2"})
        after = await incarnation(bus)
        await until(partial(decides, bus, after))
    assert after > before
    (end,) = await events(bus, EndEvent)
    assert (end.request_id, end.status, end.cause) == (f"{SOURCE}:q:1", "cancelled", "the source was replaced")
    assert [event.seq for event in await decisions(bus, after)][:2] == [0, 1]


async def test_put_replaces_only_another_url(bus: Bus) -> None:
    await put_source(bus, camera())
    first = await incarnation(bus)
    await put_source(bus, camera().model_copy(update={"paused": True}))
    assert await incarnation(bus) == first > 0
    await put_source(bus, camera(CAMERA + "&seed=2"))
    assert await incarnation(bus) > first


async def test_stale_capture_writes_nothing(bus: Bus) -> None:
    """The server refuses what a process writes that has not noticed yet, also once the id is used again."""
    await add_source(bus, camera())
    known = await incarnation(bus)
    lease = Lease(bus, bus.keys(SOURCE), f"capture:{SOURCE}", "one")
    await lease.acquire()
    began = partial(begin_run, bus, SOURCE, "r1", "url", lease, resume=True, incarnation=known)
    await began()
    chunk = Chunk(SOURCE, "r1", 0, 0.0, (), 0.0, False, False, None, False, Times(), known)
    await publish(bus, chunk, lease, 4)
    await remove_source(bus, SOURCE)
    for _ in range(2):
        before = await bus.redis.xlen(bus.keys(SOURCE).feedback_all)
        for write in (
            began,
            partial(publish, bus, chunk, lease, 4),
            partial(set_state, bus, SOURCE, "r1", "playing", "", lease),
        ):
            with pytest.raises(FencedError, match="removed or replaced"):
                await write()
        assert await bus.redis.xlen(bus.keys(SOURCE).feedback_all) == before
        assert await bus.redis.xlen(bus.keys(SOURCE).chunks) == 1
        with contextlib.suppress(Exception):
            await add_source(bus, camera())


async def test_late_features_are_settled_undecided(bus: Bus) -> None:
    """Features of a removed source that arrive after it was added again, some through an older encoder."""
    await register(bus)
    old = await incarnation(bus)
    await bus.redis.hset(bus.keys(SOURCE).run(SOURCE), "run", "r1")
    late = [msgpack.unpackb(pack(await features(bus, seq))) | {"incarnation": old} for seq in range(3)]
    del late[1]["incarnation"]
    await remove_source(bus, SOURCE)
    await register(bus)
    async with decider(bus):
        for body in late:
            await bus.redis.xadd(bus.keys(SOURCE).features, {FIELD: msgpack.packb(body)})
        await bus.redis.hset(bus.keys(SOURCE).run(SOURCE), "run", "r2")
        fresh = await features(bus, 0, run="r2")
        await send(bus, fresh)
        await until(lambda: has_decided(bus, 1))
        await until(partial(nothing_pending, bus))
    assert [(event.run, event.seq) for event in await events(bus, DecisionEvent)] == [("r2", 0)]
    assert not [key for key in await bus.redis.keys("*blob*") if b":r1:" in key]


async def nothing_pending(bus: Bus) -> bool:
    return (await bus.redis.xpending(bus.keys(SOURCE).features, "decider"))["pending"] == 0


async def old_encoder(bus: Bus) -> None:
    """Works as the version without incarnations: what it does not know is not passed on."""
    keys = bus.keys(SOURCE)
    while True:
        reply = await bus.redis.xreadgroup("encoder", "old", {keys.chunks: ">"}, count=1)
        for entry_id, fields in reply[0][1] if reply else []:
            chunk = unpack(fields[FIELD], Chunk)
            status = "end" if chunk.end else "ok"
            made = Features(
                chunk.source_id, chunk.run, chunk.seq, chunk.pts_s, chunk.motion, chunk.lossless, status, None, None,
                None, None, chunk.frame_pts_s, "old", chunk.times,
            )  # fmt: skip
            body = msgpack.unpackb(pack(made))
            del body["incarnation"]
            await bus.redis.xack(keys.chunks, "encoder", entry_id)
            await bus.redis.xadd(keys.features, {FIELD: msgpack.packb(body)})
        await asyncio.sleep(0.005)


async def test_rollout_decides_each_chunk_once(bus: Bus, settings: Settings) -> None:
    """Old and new encoders under load; between two deciders the saved state is as the older version writes it."""
    silent = SpeakSettings(every_chunks=1000)
    await add_source(bus, spec(PATTERN + "&seconds=40", SOURCE, credit=8).model_copy(update={"speak": silent}))
    await bus.redis.xgroup_create(bus.keys(SOURCE).chunks, "encoder", id="0", mkstream=True)
    old = asyncio.create_task(old_encoder(bus))
    async with capture(settings), test_encoder_service.worker(bus, FakeEncoder(), batch=1):
        async with decider(bus, "new"):
            await until(lambda: has_decided(bus, 10))
        key = bus.keys(SOURCE).decider_state(SOURCE)
        body = msgpack.unpackb(await bus.redis.hget(key, STATE_FIELD))
        del body["incarnation"]
        await bus.redis.hset(key, STATE_FIELD, msgpack.packb(body))
        await bus.redis.hdel(key, "place")
        async with decider(bus, "newer"):
            await until(lambda: ended(bus))
    old.cancel()
    await asyncio.gather(old, return_exceptions=True)
    found = await events(bus, DecisionEvent)
    assert [event.seq for event in found] == list(range(79))
    assert {event.incarnation for event in found} == {0, await incarnation(bus)}  # both encoders took part
    assert await bus.redis.xlen(bus.keys(SOURCE).dead) == 0


async def ended(bus: Bus) -> list[Any]:
    return [event for event in await events(bus, StateEvent) if event.detail == "every chunk is decided"]


async def test_old_reader_finds_its_fields(bus: Bus) -> None:
    """The open requests in a saved state have the fields of the older version and no other, which it would refuse."""
    await register(bus, speak={"every_chunks": 1, "min_interval_s": 0})
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
    saved = msgpack.unpackb(await bus.redis.hget(bus.keys(SOURCE).decider_state(SOURCE), STATE_FIELD))
    (request,) = saved["open"]
    assert sorted(request) == [
        "action", "deadline_at_s", "kind", "prompt", "pts_s", "refs", "request_id", "run", "seq"
    ]  # fmt: skip
    assert saved["v"] == 1 and (await counters(bus))["requests"] == 1
