"""Decider on a real server: one decision for each chunk, in order, and one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.last_feedback import LastFeedback
from cornerman_shared.bus.messages import (
    DecisionEvent,
    EndEvent,
    ErrorEvent,
    Question,
    StateEvent,
)
from cornerman_shared.bus.registry import remove_source, update_source
from cornerman_shared.bus.replies import start_attempt
from cornerman_shared.clock import SystemClock
from tests.conftest import Server, fast_settings
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
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.waiting import PATIENCE_S, until


async def test_shuffled_chunks_are_decided_in_order(bus: Bus) -> None:
    await register(bus)
    chunks = [await features(bus, seq, lossless=True) for seq in range(30)]
    shuffled = [chunks[i] for i in np.random.default_rng(5).permutation(30)]
    async with decider(bus):
        await send(bus, *shuffled, await features(bus, 30, lossless=True, status="end"))
        await until(lambda: events(bus, StateEvent))
    assert await decided(bus) == list(range(30))
    assert await counters(bus) == {"decided": 30}
    assert await bus.redis.zcard(bus.keys(SOURCE).inflight(SOURCE)) == 0
    run = await bus.redis.hgetall(bus.keys(SOURCE).run(SOURCE))
    assert (run[b"done"], run[b"state"]) == (b"1", b"ended")
    assert (await events(bus))[-1].state == "ended"
    pending = await bus.redis.xpending(bus.keys(SOURCE).features, "decider")
    assert pending["pending"] == 0


async def test_buried_and_expired_chunks_are_decided(bus: Bus) -> None:
    await register(bus)
    async with decider(bus):
        await send(
            bus,
            await features(bus, 0),
            await features(bus, 1, status="buried"),
            await features(bus, 2, status="expired"),
            await features(bus, 3),
        )
        await until(lambda: has_decided(bus, 4))
    assert [e.reason for e in await events(bus, DecisionEvent)] == ["quiet", "buried", "blob_expired", "quiet"]
    assert await counters(bus) == {"decided": 3, "buried": 1, "expired_blobs": 1}


async def test_live_skips_and_counts_missing_chunk(bus: Bus) -> None:
    await register(bus, speak={"gap_s": 0.2})
    async with decider(bus):
        await send(bus, await features(bus, 0), await features(bus, 2), await features(bus, 3))
        await until(lambda: has_decided(bus, 4))
        await send(bus, await features(bus, 1))  # late: settled without a decision
        await until(lambda: credit_is_back(bus))
    assert await decided(bus) == [0, 1, 2, 3]
    assert (await events(bus, DecisionEvent))[1].reason == "lost"
    assert await counters(bus) == {"decided": 4, "lost": 1}
    assert not await bus.redis.exists(bus.keys(SOURCE).blob(SOURCE, "r1", 1, "video"))


async def test_live_source_has_one_open_request(bus: Bus) -> None:
    await register(bus, speak={"every_chunks": 2, "min_interval_s": 0, "deadline_s": 0})
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(8)])
        await until(lambda: has_decided(bus, 8))
        assert [r.request_id for r in await requests(bus)] == ["cam:r1:1"]
        assert [e.reason for e in await events(bus, DecisionEvent)][3] == "request_open"
        assert await bus.redis.hgetall(bus.keys(SOURCE).open_requests) == {b"cam:r1:1": b"0"}
        # The request's blobs outlive the context; others are freed once three newer chunks have come.
        blobs = [await bus.redis.exists(bus.keys(SOURCE).blob(SOURCE, "r1", seq, "video")) for seq in range(8)]
        assert blobs == [1, 1, 0, 0, 0, 1, 1, 1]
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:1")
        await send(bus, await features(bus, 8), await features(bus, 9))
        await until(lambda: has_decided(bus, 10))
    assert [r.request_id for r in await requests(bus)] == ["cam:r1:1", "cam:r1:9"]
    assert await counters(bus) == {"decided": 10, "requests": 2}


async def test_lossless_source_waits_for_reply(bus: Bus) -> None:
    await register(bus, speak={"every_chunks": 2, "min_interval_s": 0})
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await send(bus, *[await features(bus, seq, lossless=True) for seq in range(6)])
        for count, seq in ((2, 1), (4, 3), (6, 5)):
            await until(lambda count=count: has_decided(bus, count))
            await asyncio.sleep(0.1)
            assert len(await decided(bus)) == count
            last = LastFeedback("r1", "feedback", seq * 0.5, f"text {seq}")
            await bus.redis.hset(keys.decider_state(SOURCE), "said", last.to_bytes())
            await bus.redis.hdel(keys.open_requests, f"cam:r1:{seq}")
    made = await requests(bus)
    assert [r.seq for r in made] == [1, 3, 5]
    assert [r.previous_text for r in made] == ["", "text 1", "text 3"]


async def test_overdue_request_without_generator_expires(bus: Bus) -> None:
    await register(bus, speak={"every_chunks": 1, "deadline_s": 0.3})
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: events(bus, EndEvent))
        await asyncio.sleep(0.3)
    ends = await events(bus, EndEvent)
    assert [(e.request_id, e.status, e.attempt) for e in ends] == [("cam:r1:0", "expired", 0)]
    assert (await counters(bus))["expired"] == 1
    assert await bus.redis.hlen(bus.keys(SOURCE).open_requests) == 0


class OffsetClock(SystemClock):
    """The clock of this machine, `by_s` seconds ahead."""

    by_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.by_s


async def test_taken_request_is_not_expired(bus: Bus) -> None:
    clock = OffsetClock()
    bus.clock = clock
    await register(bus, speak={"every_chunks": 1, "deadline_s": 30})
    async with decider(bus):
        await send(bus, await features(bus, 0))
        (request,) = await until(lambda: requests(bus))
        assert await start_attempt(bus, request) == 1
        clock.by_s = 31.0
        for seq in (1, 2):  # the second is decided after the check for overdue requests that follows the first
            await send(bus, await features(bus, seq))
            await until(lambda count=seq + 1: has_decided(bus, count))
    assert await events(bus, EndEvent) == []


async def test_question_becomes_request_about_context(bus: Bus) -> None:
    await register(bus)
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(5)])
        await until(lambda: has_decided(bus, 5))
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (request,) = await until(lambda: requests(bus))
    assert (request.request_id, request.kind, request.prompt) == ("cam:q:u1", "question", "What is it?")
    assert [chunk.seq for chunk in request.chunks] == [2, 3, 4]
    counts = await counters(bus)
    assert (counts["questions"], counts["requests"]) == (1, 1)


async def test_question_about_stalled_source_fails(bus: Bus) -> None:
    clock = OffsetClock()
    bus.clock = clock
    await register(bus)
    run = bus.keys(SOURCE).run(SOURCE)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        await bus.redis.hset(run, mapping={"state": "stalled", "detail": "no frame for 10 s"})
        clock.by_s = 60.0
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (end,) = await until(lambda: events(bus, EndEvent))
        assert (end.request_id, end.status) == ("cam:q:u1", "failed")
        age, _, why = end.cause.removeprefix("the newest picture of cam is ").partition(" s old, more than ")
        assert float(age) >= 60 and why.startswith("speak.max_age_s = 30 (it is stalled: no frame for 10 s)")
        await send(bus, await features(bus, 1))
        await until(lambda: has_decided(bus, 2))
        await bus.ask(Question("u2", SOURCE, "What is it?", 50.0))
        (request,) = await until(lambda: requests(bus))
    assert (request.request_id, request.picture_age_s < 30) == ("cam:q:u2", True)
    assert (await counters(bus))["questions"] == 2


async def test_question_before_any_picture_fails(bus: Bus) -> None:
    await register(bus)
    async with decider(bus):
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (end,) = await until(lambda: events(bus, EndEvent))
    assert (end.status, end.cause) == (
        "failed",
        "there is no picture of cam yet (it is waiting); ask again when it plays",
    )


async def test_question_about_unknown_source_fails(bus: Bus) -> None:
    async with decider(bus):
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (error,) = await until(lambda: events(bus, ErrorEvent))
    assert error.request_id == "cam:q:u1"
    assert "no source 'cam'" in error.message


async def _strategy_is_new(bus: Bus) -> bool:
    return (await events(bus, DecisionEvent))[-1].strategy == "interval"


async def _threshold_is_lower(bus: Bus) -> bool:
    return (await events(bus, DecisionEvent))[-1].action == "feedback"


async def _prompt_is_new(bus: Bus) -> bool:
    return (await requests(bus))[-1].prompt == "Name the colour."


@pytest.mark.parametrize(
    ("before", "change", "applied"),
    [
        ({}, {"speak": {"strategy": "interval"}}, _strategy_is_new),
        ({"every_chunks": 1, "confidence_threshold": 1}, {"speak": {"confidence_threshold": 0}}, _threshold_is_lower),
        ({"every_chunks": 1}, {"say": {"prompt": "Name the colour."}}, _prompt_is_new),
    ],
    ids=["strategy", "threshold", "prompt"],
)
async def test_settings_change_applies_within_second(
    bus: Bus, before: dict[str, Any], change: dict[str, Any], applied: Callable[[Bus], Awaitable[bool]]
) -> None:
    await register(bus, speak={"min_interval_s": 0, "repeat_window_s": 0, "deadline_s": 0, **before})
    keys = bus.keys(SOURCE)

    sent = 0

    async def send_chunks() -> None:
        nonlocal sent
        for seq in range(10_000):
            await send(bus, await features(bus, seq))
            sent = seq
            await bus.redis.delete(keys.open_requests)  # as a generator that ends at once would
            await asyncio.sleep(0.03)

    async with decider(bus):
        sending = asyncio.create_task(send_chunks())
        await until(lambda: has_decided(bus, 5))
        if applied is _prompt_is_new:
            await until(lambda: requests(bus))
        assert not await applied(bus)
        await update_source(bus, SOURCE, change)
        before = sent
        await until(lambda: applied(bus))
        assert sent - before < 30  # a second's chunks, however fast this machine is
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_joint_settings_change_applies_together(bus: Bus) -> None:
    await register(bus)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        changes = {"speak": {"strategy": "interval", "min_interval_s": 0}, "say": {"prompt": "Name the colour."}}
        await update_source(bus, SOURCE, changes)
        (request,) = await until(lambda: requests(bus))
        await send(bus, await features(bus, 1))
        await until(lambda: has_decided(bus, 2))
    assert (request.prompt, request.seq) == ("Name the colour.", 0)
    strategies = [event.strategy for event in await events(bus, DecisionEvent)]
    assert strategies == ["rules", "interval"]


async def test_unloadable_strategy_is_reported_once(bus: Bus) -> None:
    await register(bus, speak={"strategy": "head", "head": "/nowhere/at/all"})
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(4)])
        await until(lambda: has_decided(bus, 4))
    (error,) = await events(bus, ErrorEvent)
    assert "/nowhere/at/all" in error.message
    assert {(e.action, e.reason, e.strategy) for e in await events(bus, DecisionEvent)} == {
        ("next", "strategy_failed", "head")
    }


async def test_removed_source_cancels_requests(bus: Bus) -> None:
    await register(bus, speak={"every_chunks": 1, "deadline_s": 0})
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: requests(bus))
        await remove_source(bus, SOURCE)
        (end,) = await until(lambda: events(bus, EndEvent))

        async def is_forgotten() -> bool:
            return not await bus.redis.exists(keys.decider_state(SOURCE))

        await until(is_forgotten)
        await send(bus, await features(bus, 1))
        await until(lambda: credit_is_back(bus))
    assert (end.request_id, end.status) == ("cam:r1:0", "cancelled")
    assert (await counters(bus))["cancelled"] == 1
    assert await decided(bus) == [0]
    assert not await bus.redis.exists(keys.decider_state(SOURCE))
    assert not [key async for key in bus.redis.scan_iter(match="*blob*")]


async def test_change_is_read_by_its_shard_alone(server: Server, tmp_path: Path) -> None:
    settings = fast_settings(server.url, tmp_path)
    settings = settings.model_copy(update={"redis": settings.redis.model_copy(update={"shards": 8})})
    async with Bus.connect(settings) as bus:
        await bus.ready(PATIENCE_S)
        spec = await register(bus)
        async with decider(bus):
            await until(lambda: _all_held(bus))
            await bus.redis.config_resetstat()
            await update_source(bus, spec.source_id, {"speak": {"min_interval_s": 9.0}})
            await until(lambda: _calls(bus, "get", 200))
            # Two for the change, and one for each look for ended runs; eight times eight times two if each read all.
            assert not await _calls(bus, "hgetall", 60)


async def _all_held(bus: Bus) -> bool:
    return all([await bus.redis.exists(keys.lease("decider")) for keys in bus.all_keys()])


async def _calls(bus: Bus, command: str, at_least: int) -> bool:
    calls: int = (await bus.redis.info("commandstats")).get(f"cmdstat_{command}", {"calls": 0})["calls"]
    return calls >= at_least
