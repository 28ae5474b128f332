"""One source, question or chunk never harms the others at the decider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from cornerman_decider import trouble
from cornerman_decider.hops import DeciderHops
from cornerman_decider.state_codec import question_field
from cornerman_shared.bus.codec import pack, unpack, unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import (
    DeadLetter,
    DecisionEvent,
    EndEvent,
    ErrorEvent,
    Features,
    Question,
    Request,
)
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from tests.integration import decider_harness
from tests.integration.decider_harness import decider, requests
from tests.integration.service_harness import SOURCE, counters
from tests.integration.test_stalls import changed
from tests.integration.waiting import until

OTHER = "other"


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST_PAUSE_S", 0.05)


@pytest.fixture
async def patient(bus: Bus) -> AsyncIterator[Bus]:
    """A bus whose questions do not expire during a test."""
    async with Bus.connect(changed(bus, "decider", question_s=600.0)) as own:
        yield own


async def register(bus: Bus, source_id: str, **speak: Any) -> None:
    patient = {"strategy": "rules", "every_chunks": 1000, "gap_s": 600.0, "deadline_s": 0, "min_interval_s": 0}
    await add_source(bus, SourceSpec(source_id=source_id, url="test://", speak={**patient, **speak}))


async def send(bus: Bus, source_id: str, *seqs: int, lossless: bool = False) -> list[Features]:
    sent = []
    for seq in seqs:
        chunk = replace(await decider_harness.features(bus, seq, lossless=lossless), source_id=source_id)
        await bus.redis.xadd(bus.keys(source_id).features, {FIELD: pack(chunk)})
        sent.append(chunk)
    return sent


async def events_of(bus: Bus, source_id: str, kind: type[Any]) -> list[Any]:
    rows = await bus.redis.xrange(bus.keys(source_id).feedback(source_id))
    return [event for _, fields in rows if isinstance(event := unpack_event(fields[FIELD]), kind)]


async def decided(bus: Bus, source_id: str, count: int) -> list[DecisionEvent]:
    async def enough() -> list[DecisionEvent]:
        found = await events_of(bus, source_id, DecisionEvent)
        return found if len(found) >= count else []

    return list(await until(enough))


async def dead_letters(bus: Bus) -> list[DeadLetter]:
    return [unpack(fields[FIELD], DeadLetter) for _, fields in await bus.redis.xrange(bus.keys(SOURCE).dead)]


async def test_waiting_files_leave_live_source_alone(bus: Bus) -> None:
    """Ten lossless sources that waited for a slow generator filled the slots: the live one got no decision again."""
    files = [f"file{n}" for n in range(10)]
    await register(bus, SOURCE)
    for name in files:
        await register(bus, name, every_chunks=1)
    async with decider(bus):
        for name in files:
            await send(bus, name, *range(64), lossless=True)  # the most credit that a source can have
        await send(bus, SOURCE, *range(20))
        assert [event.seq for event in await decided(bus, SOURCE, 20)] == list(range(20))
        for name in files:  # each decided one chunk and waits for the words about it
            assert [event.seq for event in await decided(bus, name, 1)] == [0]


async def test_full_part_goes_on_later(bus: Bus) -> None:
    small = changed(bus, "decider", max_held=8)  # 72 slots
    async with Bus.connect(small) as own:
        await register(own, SOURCE, every_chunks=1)
        await register(own, OTHER)
        async with decider(own):
            await send(own, SOURCE, *range(100), lossless=True)
            await send(own, OTHER, *range(5))
            await decided(own, OTHER, 5)
            keys = own.keys(SOURCE)
            for seq in range(100):
                await decided(own, SOURCE, seq + 1)
                await own.redis.hdel(keys.open_requests, f"{SOURCE}:r1:{seq}")
    assert [event.seq for event in await decided(bus, SOURCE, 100)] == list(range(100))
    assert await dead_letters(bus) == []


async def test_many_questions_leave_decisions_alone(patient: Bus) -> None:
    """900 questions without a generator stopped all decisions; each rewrote 912 KB of state."""
    bus, keys = patient, patient.keys(SOURCE)
    limit = bus.settings.decider.max_questions
    await register(bus, SOURCE)
    await register(bus, OTHER)
    async with decider(bus):
        await send(bus, SOURCE, *range(4))
        await decided(bus, SOURCE, 4)
        before = await bus.redis.hstrlen(keys.decider_state(SOURCE), "state")
        for n in range(900):
            await bus.ask(Question(f"u{n}", SOURCE, "What is it? " * 100, 50.0))
        await send(bus, OTHER, *range(8))
        await send(bus, SOURCE, *range(4, 8))
        await decided(bus, OTHER, 8)
        await decided(bus, SOURCE, 8)

        async def all_taken() -> bool:
            return (await counters(bus)).get("questions", 0) == 900

        await until(all_taken)
        await send(bus, SOURCE, 8)
        await decided(bus, SOURCE, 9)
        after = await bus.redis.hstrlen(keys.decider_state(SOURCE), "state")
    assert after < before + 100  # the same number of chunks; a digit more here and there
    refused = await events_of(bus, SOURCE, EndEvent)
    assert len({end.request_id for end in refused}) == len(refused) == 900 - limit
    assert {end.status for end in refused} == {"failed"}
    assert f"decider.max_questions = {limit}" in refused[0].cause
    assert len(await requests(bus)) == limit
    counted = await counters(bus)
    assert (counted["requests"], counted["errors"]) == (900, 900 - limit)


async def test_unanswered_question_expires(bus: Bus) -> None:
    async with Bus.connect(changed(bus, "decider", question_s=0.3)) as own:
        await register(own, SOURCE)
        async with decider(own):
            await send(own, SOURCE, 0)
            await decided(own, SOURCE, 1)
            await own.ask(Question("u1", SOURCE, "What is it?", 50.0))
            (end,) = await until(lambda: events_of(own, SOURCE, EndEvent))
            assert (end.status, end.cause, end.kind) == ("expired", "no generator took it in time", "question")
            assert not await own.redis.hlen(own.keys(SOURCE).open_requests)

            async def forgotten() -> bool:
                return not await own.redis.hexists(own.keys(SOURCE).decider_state(SOURCE), question_field("cam:q:u1"))

            await until(forgotten)


async def test_question_read_too_late_expires(bus: Bus) -> None:
    async with Bus.connect(changed(bus, "decider", question_s=0.2)) as own:
        await register(own, SOURCE)
        await own.ask(Question("u1", SOURCE, "What is it?", 50.0))
        await asyncio.sleep(0.3)
        async with decider(own):
            (end,) = await until(lambda: events_of(own, SOURCE, EndEvent))
    assert end.status == "expired"
    assert "decider.question_s = 0.2 s" in end.cause
    assert await requests(bus) == []


async def test_open_question_survives_another_decider(patient: Bus) -> None:
    bus, keys = patient, patient.keys(SOURCE)
    await register(bus, SOURCE)
    async with decider(bus, "d1"):
        await send(bus, SOURCE, 0)
        await decided(bus, SOURCE, 1)
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        await until(lambda: requests(bus))
    async with Bus.connect(changed(bus, "decider", max_questions=1)) as strict, decider(strict, "d2"):
        await bus.ask(Question("u2", SOURCE, "And now?", 50.0))
        (refused,) = await until(lambda: events_of(bus, SOURCE, EndEvent))
        await bus.redis.hdel(keys.open_requests, "cam:q:u1")  # as its end does
        await bus.ask(Question("u3", SOURCE, "And now?", 50.0))

        async def taken() -> bool:
            return len(await requests(bus)) == 2

        await until(taken)
        assert not await bus.redis.hexists(keys.decider_state(SOURCE), question_field("cam:q:u1"))
    assert (refused.request_id, refused.status) == ("cam:q:u2", "failed")


async def test_question_about_unknown_source_ends(bus: Bus) -> None:
    async with decider(bus):
        await bus.ask(Question("u1", SOURCE, "What is it?", 50.0))
        (end,) = await until(lambda: events_of(bus, SOURCE, EndEvent))
    assert (end.request_id, end.status) == ("cam:q:u1", "failed")


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("step", ["decided", "begin", "save"])
async def test_bad_chunk_costs_one_source(bus: Bus, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Chunk 3 meets a defect each time: it is buried, and the source goes on; the other one notices nothing."""
    good = getattr(DeciderHops, step)

    def bad(self: DeciderHops, *args: Any) -> Any:
        features = next((each for each in args if isinstance(each, Features)), None)
        state = args[-1] if step == "save" else None
        if (features and (features.source_id, features.seq) == (SOURCE, 3)) or (
            state and args[1] == SOURCE and state.next_seq == 4
        ):
            raise ZeroDivisionError("oops")
        return good(self, *args)

    monkeypatch.setattr(DeciderHops, step, bad)
    await register(bus, SOURCE)
    await register(bus, OTHER)
    async with decider(bus) as context:
        await send(bus, SOURCE, *range(6), lossless=True)
        await send(bus, OTHER, *range(6))
        found = await decided(bus, SOURCE, 6)
        assert [event.seq for event in await decided(bus, OTHER, 6)] == list(range(6))
        assert not context.stopping.is_set()
    assert [event.seq for event in found] == list(range(6))
    assert found[3].reason == "buried: ZeroDivisionError: oops"
    assert [unpack(letter.body, Features).seq for letter in await dead_letters(bus)] == [3]
    (error,) = await events_of(bus, SOURCE, ErrorEvent)
    assert "deciding pauses" in error.message and "ZeroDivisionError: oops" in error.message
    assert await events_of(bus, OTHER, ErrorEvent) == []
    assert await counters(bus) == {"decided": 5, "buried": 1}


@pytest.mark.usefixtures("short_pauses")
async def test_passing_error_loses_nothing(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    good, calls = DeciderHops.decided, []

    def once(self: DeciderHops, *args: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise ZeroDivisionError("oops")
        good(self, *args)

    monkeypatch.setattr(DeciderHops, "decided", once)
    await register(bus, SOURCE)
    async with decider(bus):
        await send(bus, SOURCE, *range(6), lossless=True)
        found = await decided(bus, SOURCE, 6)
    assert [(event.seq, event.status) for event in found] == [(seq, "ok") for seq in range(6)]
    assert await dead_letters(bus) == []


@pytest.mark.usefixtures("short_pauses")
async def test_damaged_key_stops_one_source(bus: Bus) -> None:
    """A key of another type makes the server refuse every hop of the source."""
    await register(bus, SOURCE)
    await register(bus, OTHER)
    await bus.redis.set(bus.keys(SOURCE).decider_state(SOURCE), "not a hash")
    async with decider(bus):
        await send(bus, SOURCE, *range(3), lossless=True)
        await until(lambda: events_of(bus, SOURCE, ErrorEvent))
        await send(bus, OTHER, *range(3))
        await decided(bus, OTHER, 3)
        await bus.redis.delete(bus.keys(SOURCE).decider_state(SOURCE))
        found = await decided(bus, SOURCE, 3)
    assert [event.seq for event in found] == [0, 1, 2]


@pytest.mark.usefixtures("short_pauses")
async def test_bad_question_costs_one_source(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    good = DeciderHops.asked

    def bad(self: DeciderHops, question: Question, request: Request, *rest: Any) -> Any:
        if question.question_id == "bad":
            raise ZeroDivisionError("oops")
        return good(self, question, request, *rest)

    monkeypatch.setattr(DeciderHops, "asked", bad)
    await register(bus, SOURCE)
    async with decider(bus):
        await send(bus, SOURCE, 0)
        await decided(bus, SOURCE, 1)
        await bus.ask(Question("bad", SOURCE, "What is it?", 50.0))
        await bus.ask(Question("good", SOURCE, "What is it?", 50.0))
        (request,) = await until(lambda: requests(bus))
        (end,) = await until(lambda: events_of(bus, SOURCE, EndEvent))
    assert request.request_id == "cam:q:good"
    assert (end.request_id, end.status) == ("cam:q:bad", "failed")
    assert "ZeroDivisionError: oops" in end.cause


async def test_unreadable_settings_cost_one_source(bus: Bus) -> None:
    await register(bus, OTHER)
    await bus.redis.hset(bus.keys(SOURCE).sources, mapping={SOURCE: b"\xc1", b"\xff": b"\xc1"})
    async with decider(bus):
        await send(bus, SOURCE, 0)
        await send(bus, OTHER, *range(3))
        await decided(bus, OTHER, 3)
