"""Requests whose generator dies, stops, is cancelled or loses its server: one end each, no text lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from cornerman_generator import reply_writer
from cornerman_generator.protocol import TextDelta
from cornerman_generator.service import answer_loop
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, Event, Request, StartEvent
from cornerman_shared.bus.replies import start_attempt
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import RetryableError
from tests.integration.generator_harness import (
    Latch,
    ScriptedGenerator,
    context_for,
    ended,
    pause,
    request,
    send,
    settled,
    worker,
)
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.test_stalls import changed
from tests.integration.waiting import PATIENCE_S, until, until_true


async def test_ended_request_is_settled_without_events(bus: Bus) -> None:
    async with worker(bus):
        await bus.redis.xadd(bus.keys(SOURCE).requests, {FIELD: pack(request())})
        await until(lambda: _read(bus))
        await until(lambda: settled(bus))
    assert await events(bus) == []
    assert await counters(bus) == {}


async def _read(bus: Bus) -> bool:
    groups = await bus.redis.xinfo_groups(bus.keys(SOURCE).requests)
    return bool(groups and groups[0]["entries-read"])


async def test_cancelled_request_stops_model(bus: Bus) -> None:
    latch = Latch()
    script = ScriptedGenerator("w0 ", latch, *(step for i in range(500) for step in (f"w{i} ", pause(0.05))))
    async with worker(bus, script):
        await send(bus, request())
        await until(lambda: events(bus, DeltaEvent))
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")
        latch.open.set()
        await asyncio.wait_for(script.closed.wait(), PATIENCE_S)
        await until(lambda: settled(bus))
    assert script.sent < 20  # a pause exceeds the gap between two pieces, so the next append or two are refused
    assert await events(bus, EndEvent) == []
    assert await counters(bus) == {}


async def test_newer_attempt_silences_older_one(bus: Bus) -> None:
    latch = Latch()
    script = ScriptedGenerator("w0 ", latch, *(step for i in range(500) for step in (f"w{i} ", pause(0.05))))
    async with worker(bus, script):
        await send(bus, request())
        await until(lambda: events(bus, DeltaEvent))
        assert await start_attempt(bus, request()) == 2
        latch.open.set()
        await asyncio.wait_for(script.closed.wait(), PATIENCE_S)
        await asyncio.sleep(0.1)
        assert await events(bus, EndEvent) == []
        pending = await bus.redis.xpending(bus.keys(SOURCE).requests, "generator")
        assert pending["pending"] == 1  # not acknowledged: the newer attempt settles it
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")


async def test_dead_generators_request_is_answered_again(bus: Bus) -> None:
    await send(bus, request())
    async with Bus.connect(bus.settings) as own:
        context = context_for(own, "dead")
        slow = ScriptedGenerator("Half a ", pause(3600))
        task = asyncio.create_task(answer_loop(context, slow))
        await until(lambda: events(bus, DeltaEvent))
        task.cancel()
        await asyncio.wait([task])
    async with worker(bus, ScriptedGenerator("Whole."), name="g2"):
        (end,) = await until(lambda: ended(bus))
    assert (end.attempt, end.text) == (2, "Whole.")
    assert [start.attempt for start in await events(bus, StartEvent)] == [1, 2]
    assert await counters(bus) == {"feedback": 1}


async def test_request_that_kills_generators_fails(bus: Bus) -> None:
    keys = bus.keys(SOURCE)
    await send(bus, request())
    await bus.redis.xgroup_create(keys.requests, "generator", id="0")
    ((_, [(entry_id, _)]),) = await bus.redis.xreadgroup("generator", "dead", {keys.requests: ">"})
    await bus.redis.xclaim(keys.requests, "generator", "dead", 0, [entry_id], idle=99_000, retrycount=9)
    async with worker(bus):
        (end,) = await until(lambda: ended(bus))
    assert end.status == "failed"
    assert "generators died on it" in end.cause
    assert await bus.redis.xlen(keys.dead) == 1
    assert await counters(bus) == {"errors": 1}


async def test_lost_server_reply_keeps_text_whole(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third piece is written, but the server's answer is lost."""
    real, calls = reply_writer.append_reply, 0

    async def append_reply(bus: Bus, event: Event, request_id: str, attempt: int) -> bool:
        nonlocal calls
        calls += 1
        done = await real(bus, event, request_id, attempt)
        if calls % 3 == 0:
            raise RetryableError("the answer was lost")
        return done

    monkeypatch.setattr(reply_writer, "append_reply", append_reply)
    words = [f"w{i} " for i in range(12)]
    async with worker(bus, ScriptedGenerator(*[step for word in words for step in (word, pause(0.04))])):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    assert end.text == "".join(words)
    last = max(start.attempt for start in await events(bus, StartEvent))
    assert last > 1
    assert end.attempt == last
    text = "".join(delta.text for delta in await events(bus, DeltaEvent) if delta.attempt == last)
    assert text == end.text
    assert await counters(bus) == {"feedback": 1}


async def test_stopping_finishes_reply_releases_rest(bus: Bus) -> None:
    latch = Latch()
    await send(bus, request(3), request(4))
    async with worker(bus, ScriptedGenerator("Half", latch, " and whole.")) as context:
        await until(lambda: events(bus, DeltaEvent))
        context.stopping.set()
        latch.open.set()
    (end,) = await ended(bus)
    assert end.text == "Half and whole."
    async with worker(bus, ScriptedGenerator("Other."), name="g2"):
        ends = await until(lambda: ended(bus, 2))
    assert [end.text for end in ends] == ["Half and whole.", "Other."]


async def test_request_ended_elsewhere_ends_once(bus: Bus) -> None:
    keys = bus.keys(SOURCE)

    async def expire() -> None:
        await Hop().once(keys.open_requests, "cam:r1:3").count(keys.counters(SOURCE), "expired").run(bus.scripts)

    async with worker(bus, ScriptedGenerator("Word", expire)):
        await send(bus, request())
        await until(lambda: counters(bus))
        await until(lambda: settled(bus))
    assert await events(bus, EndEvent) == []
    assert await counters(bus) == {"expired": 1}


async def test_reasoning_found_late_is_voided(bus: Bus) -> None:
    """The template had opened the reasoning: only the closing tag tells that text was no answer."""
    shown = Latch()
    script = ScriptedGenerator("Hm, knees? ", shown, "So:</think>", "Knees out.")
    priced = changed(bus, "generator", price_input=1000.0, price_output=2000.0)
    async with Bus.connect(priced) as own, worker(own, script) as context:
        await send(bus, request())
        await until(lambda: events(bus, DeltaEvent))
        shown.open.set()
        (end,) = await until(lambda: ended(bus))
        await until_true(lambda: context.health.status().detail.get("cost") == end.cost)
    assert (end.attempt, end.text, end.status) == (2, "Knees out.", "done")
    assert (end.n_input_tokens, end.n_output_tokens, end.tokens_guessed) == (7, 3, False)
    assert end.cost == pytest.approx((7 * 1000 + 3 * 2000) / 1e6)
    second = [delta.text for delta in await events(bus, DeltaEvent) if delta.attempt == 2]
    assert "".join(second) == "Knees out."


async def test_server_counts_are_believed(bus: Bus) -> None:
    class Counted(ScriptedGenerator):
        async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
            yield TextDelta("", 0, handled="server_busy")
            yield TextDelta("Knees out.", 1)
            yield TextDelta("", 0, 321, 12)

    async with worker(bus, Counted()) as context:
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    assert (end.n_input_tokens, end.n_output_tokens, end.cost) == (321, 12, 0.0)
    assert b'errors_total{kind="server_busy"} 1.0' in context.metrics.text()
