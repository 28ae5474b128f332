"""Requests whose generator dies, stops, is cancelled or loses its server: one end each, and no word lost or doubled."""

from __future__ import annotations

import asyncio

import pytest

from cornerman_generator.service import answer_loop
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, Event, StartEvent
from cornerman_shared.bus.replies import start_attempt
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import RetryableError
from tests.integration.generator_house import (
    SOURCE,
    Gate,
    Script,
    context_for,
    counters,
    ended,
    events,
    pause,
    request,
    send,
    settled,
    worker,
)
from tests.integration.waiting import PATIENCE_S, until


async def test_a_request_that_has_ended_already_is_settled_in_silence(bus: Bus) -> None:
    async with worker(bus):
        await bus.redis.xadd(bus.keys(SOURCE).requests, {FIELD: pack(request())})
        await until(lambda: _read(bus))
        await until(lambda: settled(bus))
    assert await events(bus) == []
    assert await counters(bus) == {}


async def _read(bus: Bus) -> bool:
    groups = await bus.redis.xinfo_groups(bus.keys(SOURCE).requests)
    return bool(groups and groups[0]["entries-read"])


async def test_cancelling_stops_the_model_at_its_next_word(bus: Bus) -> None:
    gate = Gate()
    script = Script("w0 ", gate, *(step for i in range(500) for step in (f"w{i} ", pause(0.05))))
    async with worker(bus, script):
        await send(bus, request())
        await until(lambda: events(bus, DeltaEvent))
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")
        gate.open.set()
        await asyncio.wait_for(script.closed.wait(), PATIENCE_S)
        await until(lambda: settled(bus))
    assert script.said < 20  # a pause is longer than the gap between two pieces: the next word is refused, or so
    assert await events(bus, EndEvent) == []
    assert await counters(bus) == {}


async def test_a_newer_attempt_takes_over_and_the_older_one_neither_speaks_nor_ends_it(bus: Bus) -> None:
    gate = Gate()
    script = Script("w0 ", gate, *(step for i in range(500) for step in (f"w{i} ", pause(0.05))))
    async with worker(bus, script):
        await send(bus, request())
        await until(lambda: events(bus, DeltaEvent))
        assert await start_attempt(bus, request()) == 2
        gate.open.set()
        await asyncio.wait_for(script.closed.wait(), PATIENCE_S)
        await asyncio.sleep(0.1)
        assert await events(bus, EndEvent) == []
        pending = await bus.redis.xpending(bus.keys(SOURCE).requests, "generator")
        assert pending["pending"] == 1  # not acknowledged: it is the newer attempt's to settle
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")


async def test_what_a_dead_generator_had_in_hand_is_said_by_another_from_the_beginning(bus: Bus) -> None:
    await send(bus, request())
    async with Bus.connect(bus.settings) as own:
        context = context_for(own, "dead")
        slow = Script("Half a ", pause(3600))
        task = asyncio.create_task(answer_loop(context, slow))
        await until(lambda: events(bus, DeltaEvent))
        task.cancel()
        await asyncio.wait([task])
    async with worker(bus, Script("Whole."), name="g2"):
        (end,) = await until(lambda: ended(bus))
    assert (end.attempt, end.text) == (2, "Whole.")
    assert [start.attempt for start in await events(bus, StartEvent)] == [1, 2]
    assert await counters(bus) == {"feedback": 1}


async def test_a_request_that_kills_every_generator_still_gets_its_end(bus: Bus) -> None:
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


async def test_a_lost_answer_of_the_server_neither_loses_nor_doubles_a_word(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third piece is written, but the answer is lost: nobody can know whether it was."""
    from cornerman_generator import reply_writer as speech

    real, calls = speech.say, 0

    async def say(bus: Bus, event: Event, request_id: str, attempt: int) -> bool:
        nonlocal calls
        calls += 1
        done = await real(bus, event, request_id, attempt)
        if calls % 3 == 0:
            raise RetryableError("the answer was lost")
        return done

    monkeypatch.setattr(speech, "say", say)
    words = [f"w{i} " for i in range(12)]
    async with worker(bus, Script(*[step for word in words for step in (word, pause(0.04))])):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    assert end.text == "".join(words)
    last = max(start.attempt for start in await events(bus, StartEvent))
    assert last > 1
    assert end.attempt == last
    heard = "".join(delta.text for delta in await events(bus, DeltaEvent) if delta.attempt == last)
    assert heard == end.text
    assert await counters(bus) == {"feedback": 1}


async def test_stopping_finishes_what_is_being_said_and_hands_over_the_rest(bus: Bus) -> None:
    gate = Gate()
    await send(bus, request(3), request(4))
    async with worker(bus, Script("Half", gate, " and whole.")) as context:
        await until(lambda: events(bus, DeltaEvent))
        context.stopping.set()
        gate.open.set()
    (end,) = await ended(bus)
    assert end.text == "Half and whole."
    async with worker(bus, Script("Other."), name="g2"):
        ends = await until(lambda: ended(bus, 2))
    assert [end.text for end in ends] == ["Half and whole.", "Other."]


async def test_an_end_comes_once_even_when_somebody_else_ends_the_request_meanwhile(bus: Bus) -> None:
    keys = bus.keys(SOURCE)

    async def expire() -> None:
        await Hop().once(keys.open_requests, "cam:r1:3").count(keys.counters(SOURCE), "expired").run(bus.scripts)

    async with worker(bus, Script("Word", expire)):
        await send(bus, request())
        await until(lambda: counters(bus))
        await until(lambda: settled(bus))
    assert await events(bus, EndEvent) == []
    assert await counters(bus) == {"expired": 1}
