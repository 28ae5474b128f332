"""SCRIPT FLUSH and XGROUP DESTROY while the services work: nothing ends, nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from cornerman_capture.service import Capture
from cornerman_encoder.fake import FakeEncoder
from cornerman_encoder.service import EncoderWorker
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, Question
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from tests.integration.decider_harness import decided, decider, features, has_decided, register, requests, send
from tests.integration.generator_harness import Latch, ScriptedGenerator, ended, worker
from tests.integration.service_harness import SOURCE, counters, events, service_context
from tests.integration.test_stalls import changed
from tests.integration.waiting import PATIENCE_S, until


async def destroy(bus: Bus, *groups: str) -> None:
    """Deletes groups, as an operator does by mistake."""
    keys = bus.keys(SOURCE)
    streams = {"encoder": [keys.chunks], "decider": [keys.features, keys.questions], "generator": [keys.requests]}
    for group in groups:
        for stream in streams[group]:
            await bus.redis.xgroup_destroy(stream, group)


@contextlib.asynccontextmanager
async def flushing(bus: Bus) -> AsyncIterator[None]:
    """Empties the script cache without a pause."""

    async def flush() -> None:
        while True:
            await bus.redis.script_flush()
            await asyncio.sleep(0)

    task = asyncio.create_task(flush())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def all_services(bus: Bus) -> AsyncIterator[None]:
    """Capture, an encoder, a decider and a generator in this process."""
    capture, encoder = (service_context(bus, role, f"{role}1") for role in ("capture", "encoder"))

    async def capturing() -> None:
        async with asyncio.TaskGroup() as tasks:
            capture._tasks = tasks
            await Capture(capture).run()

    jobs = [asyncio.create_task(capturing()), asyncio.create_task(EncoderWorker(encoder, FakeEncoder()).run())]
    try:
        async with decider(bus), worker(bus):
            yield
    finally:
        capture.stopping.set()
        encoder.stopping.set()
        await asyncio.wait_for(asyncio.gather(*jobs), PATIENCE_S)


def film(chunks: int) -> SourceSpec:
    """A lossless pattern with an exact number of chunks; words about every second one."""
    return SourceSpec.model_validate(
        {
            "source_id": SOURCE,
            "url": f"test://pattern?fps=32&seconds={chunks / 4:g}&size=64x48",
            "watch": {"sample_fps": 32, "overlap": 0, "lossless": True, "realtime": False},
            "speak": {"strategy": "rules", "every_chunks": 2, "min_interval_s": 0},
        }
    )


async def is_done(bus: Bus) -> bool:
    keys = bus.keys(SOURCE)
    return await bus.redis.hget(keys.run(SOURCE), "done") == b"1" and not await bus.redis.hlen(keys.open_requests)


async def check_all_done_once(bus: Bus, chunks: int) -> None:
    await until(lambda: is_done(bus))
    assert [event.seq for event in await events(bus, DecisionEvent)] == list(range(chunks))
    ends = await events(bus, EndEvent)
    assert len({end.request_id for end in ends}) == len(ends) == chunks // 2
    assert {end.status for end in ends} == {"done"}
    assert (await counters(bus))["decided"] == chunks


async def test_flushed_scripts_stop_nothing(bus: Bus) -> None:
    """The script was gone again between its loading and its call: NoScriptError ended capture and generator."""
    await add_source(bus, film(24))
    async with all_services(bus), flushing(bus):
        await check_all_done_once(bus, 24)


async def test_script_runs_on_emptied_cache(bus: Bus) -> None:
    counter = bus.keys(SOURCE).counters(SOURCE)
    async with flushing(bus):
        for _ in range(200):
            await Hop().count(counter, "n").run(bus.scripts)
    assert await bus.redis.hget(counter, "n") == b"200"


async def test_destroyed_groups_lose_and_double_nothing(bus: Bus) -> None:
    """A lossless file stood still after XGROUP DESTROY."""
    await add_source(bus, film(40))
    async with all_services(bus):
        for count in (4, 12, 20):
            await until(lambda count=count: has_decided(bus, count))
            await destroy(bus, "encoder", "decider", "generator")
        await check_all_done_once(bus, 40)
    assert await events(bus, ErrorEvent) == []


async def test_held_chunks_survive_a_destroyed_group(bus: Bus) -> None:
    """Chunks that waited for a reply were delivered again; the copies freed what the first ones still needed."""
    await register(bus, speak={"every_chunks": 2, "min_interval_s": 0})
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await send(bus, *[await features(bus, seq, lossless=True) for seq in range(6)])
        for seq in (1, 3, 5):
            await until(lambda count=seq + 1: has_decided(bus, count))
            await destroy(bus, "decider")

            async def delivered_again() -> bool:
                groups = await bus.redis.xinfo_groups(keys.features)
                return bool(groups) and groups[0]["lag"] == 0

            await until(delivered_again)
            blobs = [await bus.redis.exists(keys.blob(SOURCE, "r1", at, "video")) for at in range(seq - 1, 6)]
            assert blobs == [1] * len(blobs)  # of the context, and of the chunks that wait
            await bus.redis.hdel(keys.open_requests, f"cam:r1:{seq}")
    assert await decided(bus) == list(range(6))


async def test_destroyed_groups_end_questions_once(bus: Bus) -> None:
    """12 of 12 questions were answered twice."""
    latch = Latch()
    async with Bus.connect(changed(bus, "decider", question_s=600.0)) as own:
        await register(own)
        async with decider(own), worker(own, ScriptedGenerator("Blue.", latch), concurrency=4):
            await send(own, await features(own, 0))
            await until(lambda: has_decided(own, 1))
            for n in range(12):
                await own.ask(Question(f"u{n}", SOURCE, "What colour?", 50.0))

            async def all_asked() -> bool:
                return len(await requests(own)) == 12

            await until(all_asked)
            await destroy(own, "decider", "generator")
            latch.open.set()
            await until(lambda: ended(own, 12))
            await destroy(own, "decider", "generator")
            await own.ask(Question("last", SOURCE, "And now?", 50.0))
            ends = await until(lambda: ended(own, 13))
            assert len(await requests(own)) == 13
    assert len({end.request_id for end in ends}) == len(ends) == 13
    assert {end.status for end in ends} == {"done"}


@pytest.mark.parametrize("again", [1, 3])
async def test_question_is_taken_once(bus: Bus, again: int) -> None:
    await register(bus)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        for _ in range(1 + again):  # a client that got no answer sends it again
            await bus.ask(Question("u1", SOURCE, "What colour?", 50.0))
        await bus.ask(Question("u2", SOURCE, "And now?", 50.0))

        async def both() -> bool:
            return len(await requests(bus)) >= 2

        await until(both)
    assert [request.request_id for request in await requests(bus)] == ["cam:q:u1", "cam:q:u2"]


async def test_question_of_yesterday_ends_once(bus: Bus) -> None:
    """No decider ran for more than an hour: the question was settled without an end."""
    await register(bus)
    keys, body = bus.keys(SOURCE), pack(Question("u1", SOURCE, "What colour?", 50.0))
    await bus.redis.xadd(keys.questions, {FIELD: body}, id="1-1")  # the id is the time in milliseconds
    async with decider(bus):
        ends = await until(lambda: ended(bus, 1))
        await destroy(bus, "decider")
        await bus.redis.delete(keys.answered(SOURCE))  # as after another hour
        await bus.ask(Question("u2", "nobody", "And now?", 50.0))
        await until(lambda: nobody_ended(bus))
        ends = await ended(bus, 1)
    assert [(end.request_id, end.status) for end in ends] == [("cam:q:u1", "expired")]


async def test_buried_question_ends_once(bus: Bus) -> None:
    """Deciders died on it; its group is destroyed when nothing remembers any more that it was taken."""
    await register(bus)
    keys = bus.keys(SOURCE)
    await bus.redis.xadd(keys.questions, {FIELD: pack(Question("u1", SOURCE, "What colour?", 50.0))})
    await bus.redis.xadd(keys.questions, {FIELD: b"no message"})
    await bus.redis.xgroup_create(keys.questions, "decider", id="0")
    ((_, entries),) = await bus.redis.xreadgroup("decider", "dead", {keys.questions: ">"})
    for entry_id, _ in entries:
        await bus.redis.xclaim(keys.questions, "decider", "dead", 0, [entry_id], retrycount=50)
    async with decider(bus):
        await until(lambda: ended(bus, 1))
        await destroy(bus, "decider")
        await bus.redis.delete(keys.answered(SOURCE))  # as after an hour
        await bus.ask(Question("u2", "nobody", "And now?", 50.0))
        await until(lambda: nobody_ended(bus))
    assert [(end.request_id, end.status) for end in await ended(bus, 1)] == [("cam:q:u1", "failed")]
    assert await bus.redis.xlen(keys.dead) == 2


async def test_questions_past_the_door_are_bounded(bus: Bus) -> None:
    """A client that writes to the stream itself passes the check of `Bus.ask`."""
    await register(bus)
    most = bus.settings.decider.max_questions
    await send(bus, await features(bus, 0))  # something to ask about
    async with decider(bus):
        await until(lambda: has_decided(bus, 1))
        for n in range(3 * most):
            await bus.redis.xadd(bus.keys(SOURCE).questions, {FIELD: pack(Question(f"u{n}", SOURCE, "Why?", 1.0))})
        ends = await until(lambda: ended(bus, 2 * most))
        assert await bus.redis.hlen(bus.keys(SOURCE).open_requests) == most
    assert {end.status for end in ends} == {"failed"} and "max_questions" in ends[0].cause


async def nobody_ended(bus: Bus) -> bool:
    return bool(await bus.redis.exists(bus.keys("nobody").feedback("nobody")))
