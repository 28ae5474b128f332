"""The decider on a real server: one decision for each chunk, in order, through take-overs, new runs and removals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.decider.service import decide_for_ever
from services.said import Said
from shared.bus import Bus
from shared.clock import SystemClock
from shared.codec import pack, unpack
from shared.health import Health
from shared.logs import get_logger
from shared.messages import (
    DecisionEvent,
    EndEvent,
    ErrorEvent,
    Event,
    Features,
    FeatureStatus,
    Question,
    Request,
    StateEvent,
    Times,
)
from shared.metrics import Metrics
from shared.registry import add_source, remove_source, update_source
from shared.runtime import Context
from shared.say import start_attempt
from shared.source import SourceSpec
from shared.streams import FIELD

SOURCE = "cam"


@contextlib.asynccontextmanager
async def decider(bus: Bus, name: str = "d1") -> AsyncIterator[Context]:
    """A decider in this process; leaving stops it in order."""
    clock = SystemClock()
    context = Context(bus.settings, bus, clock, name, Health("decider", name, clock), Metrics(), get_logger(name))
    task = asyncio.create_task(decide_for_ever(context))
    try:
        yield context
    finally:
        context.stopping.set()
        await asyncio.wait_for(task, 10)


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 10.0) -> Any:
    """Waits until `look()` gives something true."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def watch(bus: Bus, **changes: Any) -> SourceSpec:
    speak = {"strategy": "rules", "every_chunks": 1000, **changes.pop("speak", {})}
    spec = SourceSpec(source_id=SOURCE, url="test://", speak=speak, **changes)
    await add_source(bus, spec)
    return spec


async def features(
    bus: Bus, seq: int, *, run: str = "r1", lossless: bool = False, status: FeatureStatus = "ok"
) -> Features:
    """Makes features with a real blob and its credit in use."""
    keys = bus.keys(SOURCE)
    video = None
    if status == "ok":
        video = await bus.put_blob(keys.blob(SOURCE, run, seq, "video"), np.zeros((2, 4), np.float16), 60)
    if status != "end":
        await bus.redis.zadd(keys.inflight(SOURCE), {f"{run}:{seq}": 1.0})
    return Features(
        source_id=SOURCE,
        run=run,
        seq=seq,
        pts_s=seq * 0.5,
        motion=0.0,
        lossless=lossless,
        status=status,
        vector=np.zeros(4, np.float32),
        context=None,
        video=video,
        frames=None,
        frame_pts_s=tuple(seq * 0.5 + i / 8 for i in range(8)),
        model="fake",
        times=Times(captured_at_s=1.0),
    )


async def send(bus: Bus, *messages: Features) -> None:
    for message in messages:
        await bus.redis.xadd(bus.keys(SOURCE).features, {FIELD: pack(message)})


async def events(bus: Bus, kind: type[Event] | None = None) -> list[Any]:
    from shared.codec import unpack_event

    rows = await bus.redis.xrange(bus.keys(SOURCE).feedback(SOURCE))
    found = [unpack_event(fields[FIELD]) for _, fields in rows]
    return [event for event in found if kind is None or isinstance(event, kind)]


async def decided(bus: Bus) -> list[int]:
    return [event.seq for event in await events(bus, DecisionEvent)]


async def requests(bus: Bus) -> list[Request]:
    rows = await bus.redis.xrange(bus.keys(SOURCE).requests)
    return [unpack(fields[FIELD], Request) for _, fields in rows]


async def counters(bus: Bus) -> dict[str, int]:
    raw = await bus.redis.hgetall(bus.keys(SOURCE).counters(SOURCE))
    return {name.decode(): int(value) for name, value in raw.items()}


async def test_chunks_that_arrive_in_any_order_are_decided_once_each_in_order(bus: Bus) -> None:
    await watch(bus)
    chunks = [await features(bus, seq, lossless=True) for seq in range(30)]
    shuffled = [chunks[i] for i in np.random.default_rng(5).permutation(30)]
    async with decider(bus):
        await send(bus, *shuffled, await features(bus, 30, lossless=True, status="end"))
        await eventually(lambda: events(bus, StateEvent))
    assert await decided(bus) == list(range(30))
    assert await counters(bus) == {"decided": 30}
    assert await bus.redis.zcard(bus.keys(SOURCE).inflight(SOURCE)) == 0
    run = await bus.redis.hgetall(bus.keys(SOURCE).run(SOURCE))
    assert (run[b"done"], run[b"state"]) == (b"1", b"ended")
    assert (await events(bus))[-1].state == "ended"
    pending = await bus.redis.xpending(bus.keys(SOURCE).features, "decider")
    assert pending["pending"] == 0


async def test_buried_and_expired_chunks_are_decided_with_their_reason_and_the_counts_add_up(bus: Bus) -> None:
    await watch(bus)
    async with decider(bus):
        await send(
            bus,
            await features(bus, 0),
            await features(bus, 1, status="buried"),
            await features(bus, 2, status="expired"),
            await features(bus, 3),
        )
        await eventually(lambda: _has(bus, 4))
    assert [e.reason for e in await events(bus, DecisionEvent)] == ["quiet", "buried", "blob_expired", "quiet"]
    assert await counters(bus) == {"decided": 3, "buried": 1, "expired_blobs": 1}


async def _has(bus: Bus, count: int) -> bool:
    return len(await decided(bus)) >= count


async def test_live_skips_a_chunk_that_never_comes_and_counts_it(bus: Bus) -> None:
    await watch(bus, speak={"gap_s": 0.2})
    async with decider(bus):
        await send(bus, await features(bus, 0), await features(bus, 2), await features(bus, 3))
        await eventually(lambda: _has(bus, 4))
        await send(bus, await features(bus, 1))  # late: settled without a word
        await eventually(lambda: _credit_is_back(bus))
    assert await decided(bus) == [0, 1, 2, 3]
    assert (await events(bus, DecisionEvent))[1].reason == "lost"
    assert await counters(bus) == {"decided": 4, "lost": 1}
    assert not await bus.redis.exists(bus.keys(SOURCE).blob(SOURCE, "r1", 1, "video"))


async def _credit_is_back(bus: Bus) -> bool:
    pending = await bus.redis.xpending(bus.keys(SOURCE).features, "decider")
    return not pending["pending"] and not await bus.redis.zcard(bus.keys(SOURCE).inflight(SOURCE))


async def test_a_request_is_open_with_the_hop_and_live_there_is_never_a_second_one(bus: Bus) -> None:
    await watch(bus, speak={"every_chunks": 2, "min_interval_s": 0, "deadline_s": 0})
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(8)])
        await eventually(lambda: _has(bus, 8))
        assert [r.request_id for r in await requests(bus)] == ["cam:r1:1"]
        assert [e.reason for e in await events(bus, DecisionEvent)][3] == "request_open"
        assert await bus.redis.hgetall(bus.keys(SOURCE).open_requests) == {b"cam:r1:1": b"0"}
        # The request's blobs outlive the context; others are freed once three newer chunks have come.
        blobs = [await bus.redis.exists(bus.keys(SOURCE).blob(SOURCE, "r1", seq, "video")) for seq in range(8)]
        assert blobs == [1, 1, 0, 0, 0, 1, 1, 1]
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:1")
        await send(bus, await features(bus, 8), await features(bus, 9))
        await eventually(lambda: _has(bus, 10))
    assert [r.request_id for r in await requests(bus)] == ["cam:r1:1", "cam:r1:9"]
    assert await counters(bus) == {"decided": 10, "requests": 2}


async def test_lossless_waits_for_the_words_instead_of_skipping_them(bus: Bus) -> None:
    await watch(bus, speak={"every_chunks": 2, "min_interval_s": 0})
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await send(bus, *[await features(bus, seq, lossless=True) for seq in range(6)])
        for count, seq in ((2, 1), (4, 3), (6, 5)):
            await eventually(lambda count=count: _has(bus, count))
            await asyncio.sleep(0.1)
            assert len(await decided(bus)) == count
            said = Said("r1", "feedback", seq * 0.5, f"words {seq}")
            await bus.redis.hset(keys.decider_state(SOURCE), "said", said.to_bytes())
            await bus.redis.hdel(keys.open_requests, f"cam:r1:{seq}")
    made = await requests(bus)
    assert [r.seq for r in made] == [1, 3, 5]
    assert [r.previous_text for r in made] == ["", "words 1", "words 3"]


async def test_an_overdue_request_is_ended_as_expired_when_no_generator_lives(bus: Bus) -> None:
    await watch(bus, speak={"every_chunks": 1, "deadline_s": 0.3})
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await eventually(lambda: events(bus, EndEvent))
        await asyncio.sleep(0.3)
    ends = await events(bus, EndEvent)
    assert [(e.request_id, e.status, e.attempt) for e in ends] == [("cam:r1:0", "expired", 0)]
    assert (await counters(bus))["expired"] == 1
    assert await bus.redis.hlen(bus.keys(SOURCE).open_requests) == 0


async def test_a_request_that_a_generator_has_taken_is_not_expired_under_its_hands(bus: Bus) -> None:
    await watch(bus, speak={"every_chunks": 1, "deadline_s": 0.3})
    async with decider(bus):
        await send(bus, await features(bus, 0))
        (request,) = await eventually(lambda: requests(bus))
        assert await start_attempt(bus, request) == 1
        await asyncio.sleep(0.7)
    assert await events(bus, EndEvent) == []


async def test_another_decider_continues_where_the_first_one_stopped(bus: Bus) -> None:
    await watch(bus, speak={"every_chunks": 5, "min_interval_s": 0})
    async with decider(bus, "d1"):
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await send(bus, *[await features(bus, seq) for seq in (4, 5)])  # held while 3 is awaited
        await eventually(lambda: _has(bus, 3))
    async with decider(bus, "d2"):
        await send(bus, await features(bus, 3))
        await eventually(lambda: _has(bus, 6))
    assert await decided(bus) == list(range(6))
    assert [r.seq for r in await requests(bus)] == [4]
    assert (await counters(bus))["decided"] == 6


async def test_two_deciders_share_a_shard_by_its_lease_and_the_second_takes_over(bus: Bus) -> None:
    await watch(bus)
    async with decider(bus, "d1") as first, decider(bus, "d2"):
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await eventually(lambda: _has(bus, 3))
        first.stopping.set()
        await send(bus, *[await features(bus, seq) for seq in range(3, 6)])
        await eventually(lambda: _has(bus, 6))
    assert await decided(bus) == list(range(6))
    assert (await counters(bus))["decided"] == 6


async def test_a_decider_whose_lease_was_taken_stops_and_writes_nothing_more(bus: Bus) -> None:
    await watch(bus)
    keys = bus.keys(SOURCE)
    async with decider(bus, "d1"):
        await send(bus, await features(bus, 0))
        await eventually(lambda: _has(bus, 1))
        await bus.redis.set(keys.lease("decider"), "somebody-else", px=1500)
        await bus.redis.incr(keys.fence("decider"))
        await send(bus, await features(bus, 1))
        await asyncio.sleep(0.5)
        assert await decided(bus) == [0]
        await eventually(lambda: _has(bus, 2))  # it comes back when the other's lease has run out
    assert await decided(bus) == [0, 1]


async def test_a_new_run_starts_afresh_and_chunks_of_the_old_one_are_let_go(bus: Bus) -> None:
    await watch(bus)
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await bus.redis.hset(keys.run(SOURCE), "run", "r1")
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await eventually(lambda: _has(bus, 3))
        await bus.redis.hset(keys.run(SOURCE), "run", "r2")
        await bus.redis.delete(keys.counters(SOURCE))
        await send(bus, await features(bus, 3), *[await features(bus, seq, run="r2") for seq in range(2)])
        await send(bus, await features(bus, 4))
        await eventually(lambda: _has(bus, 5))
        await eventually(lambda: _credit_is_back(bus))
    assert [(e.run, e.seq) for e in await events(bus, DecisionEvent)] == [
        ("r1", 0), ("r1", 1), ("r1", 2), ("r2", 0), ("r2", 1)
    ]  # fmt: skip
    assert await counters(bus) == {"decided": 2}
    assert not await bus.redis.exists(keys.blob(SOURCE, "r1", 3, "video"))


async def test_a_question_becomes_a_request_about_the_newest_chunks_at_any_time(bus: Bus) -> None:
    await watch(bus)
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(5)])
        await eventually(lambda: _has(bus, 5))
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (request,) = await eventually(lambda: requests(bus))
    assert (request.request_id, request.kind, request.prompt) == ("cam:q:u1", "question", "What is it?")
    assert [chunk.seq for chunk in request.chunks] == [2, 3, 4]
    counts = await counters(bus)
    assert (counts["questions"], counts["requests"]) == (1, 1)


async def test_a_question_about_no_source_is_an_error_that_the_asker_sees(bus: Bus) -> None:
    async with decider(bus):
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (error,) = await eventually(lambda: events(bus, ErrorEvent))
    assert error.request_id == "cam:q:u1"
    assert "no source 'cam'" in error.message


async def test_changed_settings_take_effect_within_a_second(bus: Bus) -> None:
    await watch(bus)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await eventually(lambda: _has(bus, 1))
        changes = {"speak": {"strategy": "interval", "min_interval_s": 0}, "say": {"prompt": "Name the colour."}}
        await update_source(bus, SOURCE, changes)
        await asyncio.sleep(0.5)
        await send(bus, await features(bus, 1))
        (request,) = await eventually(lambda: requests(bus))
    assert request.prompt == "Name the colour."
    assert (await events(bus, DecisionEvent))[-1].strategy == "interval"


async def test_a_strategy_that_cannot_load_is_an_error_said_once_and_never_another_strategy(bus: Bus) -> None:
    await watch(bus, speak={"strategy": "head", "head": "/nowhere/at/all"})
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(4)])
        await eventually(lambda: _has(bus, 4))
    (error,) = await events(bus, ErrorEvent)
    assert "/nowhere/at/all" in error.message
    assert {(e.action, e.reason, e.strategy) for e in await events(bus, DecisionEvent)} == {
        ("next", "strategy_failed", "head")
    }


async def test_removing_a_source_cancels_what_is_open_and_lets_its_chunks_go(bus: Bus) -> None:
    await watch(bus, speak={"every_chunks": 1, "deadline_s": 0})
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await eventually(lambda: requests(bus))
        await remove_source(bus, SOURCE)
        (end,) = await eventually(lambda: events(bus, EndEvent))
        await asyncio.sleep(0.5)
        await send(bus, await features(bus, 1))
        await eventually(lambda: _credit_is_back(bus))
    assert (end.request_id, end.status) == ("cam:r1:0", "cancelled")
    assert (await counters(bus))["cancelled"] == 1
    assert await decided(bus) == [0]
    assert not await bus.redis.exists(keys.decider_state(SOURCE))
    assert not [key async for key in bus.redis.scan_iter(match="*blob*")]


async def test_features_delivered_too_often_are_buried_and_their_place_passed_over(bus: Bus) -> None:
    await watch(bus)
    keys = bus.keys(SOURCE)
    await bus.redis.xgroup_create(keys.features, "decider", id="0", mkstream=True)
    await send(bus, await features(bus, 0, lossless=True))
    ((_, [(entry_id, _)]),) = await bus.redis.xreadgroup("decider", "dead", {keys.features: ">"})
    await bus.redis.xclaim(keys.features, "decider", "dead", 0, [entry_id], retrycount=9)
    async with decider(bus):
        await send(bus, await features(bus, 1, lossless=True))
        await eventually(lambda: _has(bus, 2))
    assert await counters(bus) == {"buried": 1, "decided": 1}
    assert await bus.redis.xlen(keys.dead) == 1
    assert (await events(bus, DecisionEvent))[0].reason.startswith("buried: delivered")


async def test_a_buried_end_marker_still_ends_the_run_after_every_chunk(bus: Bus) -> None:
    await watch(bus)
    keys = bus.keys(SOURCE)
    await bus.redis.xgroup_create(keys.features, "decider", id="0", mkstream=True)
    await send(bus, await features(bus, 2, lossless=True, status="end"))
    ((_, [(entry_id, _)]),) = await bus.redis.xreadgroup("decider", "dead", {keys.features: ">"})
    await bus.redis.xclaim(keys.features, "decider", "dead", 0, [entry_id], retrycount=9)
    async with decider(bus):
        await send(bus, await features(bus, 0, lossless=True), await features(bus, 1, lossless=True))
        await eventually(lambda: events(bus, StateEvent))
    assert await decided(bus) == [0, 1]
    assert (await events(bus))[-1].state == "ended"
    assert await bus.redis.hget(keys.run(SOURCE), "done") == b"1"


@pytest.mark.parametrize("times", [3])
async def test_a_decider_killed_again_and_again_still_decides_each_chunk_once(bus: Bus, times: int) -> None:
    await watch(bus, speak={"every_chunks": 3, "min_interval_s": 0, "deadline_s": 0})
    clock = SystemClock()
    template = Context(bus.settings, bus, clock, "k", Health("decider", "k", clock), Metrics(), get_logger("k"))
    for attempt in range(times):
        context = replace(template, name=f"k{attempt}", stopping=asyncio.Event())
        async with Bus.connect(bus.settings) as own:
            context.bus = own
            task = asyncio.create_task(decide_for_ever(context))
            await send(bus, *[await features(bus, attempt * 10 + i, lossless=True) for i in range(10)])
            await asyncio.sleep(0.15 + 0.2 * attempt)
            task.cancel()
            await asyncio.wait([task])
            await bus.redis.delete(bus.keys(SOURCE).open_requests)
    async with decider(bus, "last"):
        while not await _has(bus, times * 10):
            await bus.redis.delete(bus.keys(SOURCE).open_requests)
            await asyncio.sleep(0.05)
    assert await decided(bus) == list(range(times * 10))
    assert (await counters(bus))["decided"] == times * 10
    made = [request.seq for request in await requests(bus)]
    assert made == [seq for seq in range(times * 10) if (seq + 1) % 3 == 0]
