"""Slots of a consumer of several shards, and suspects: entries that may have killed their workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from cornerman_generator.protocol import TextDelta
from cornerman_generator.request_worker import RequestWorker
from cornerman_generator.service import answer_loop
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import DeadLetter, EndEvent, Question, Request
from cornerman_shared.bus.streams import FIELD, shard_of
from tests.integration.generator_harness import Latch, ScriptedGenerator, context_for, ended, request, send, worker
from tests.integration.service_harness import SOURCE, events
from tests.integration.test_consumer import GROUP, ask, consumer, pending
from tests.integration.test_stalls import changed
from tests.integration.waiting import make_entries_idle, until, until_true

pytestmark = pytest.mark.topologies("cluster")

SHARDS = 8


@pytest.fixture
async def sharded(bus: Bus) -> AsyncIterator[Bus]:
    async with Bus.connect(changed(bus, "redis", shards=SHARDS)) as own:
        yield own


def one_source_a_shard() -> list[str]:
    names = {shard_of(f"cam{n}", SHARDS): f"cam{n}" for n in range(200)}
    return [names[shard] for shard in range(SHARDS)]


async def ask_each(bus: Bus, rounds: int) -> None:
    for n in range(rounds):
        for source_id in one_source_a_shard():
            await bus.ask(Question(f"{source_id}-{n}", source_id, "how many?", 1.0))


def reader(bus: Bus, name: str, slots: int) -> Consumer[Question]:
    return Consumer(bus, [keys.questions for keys in bus.all_keys()], GROUP, Question, name, slots=slots)


class Counting(ScriptedGenerator):
    """Counts the requests that it answers at once."""

    def __init__(self, *steps: object) -> None:
        super().__init__(*steps)
        self.running = 0
        self.most = 0

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.02)
            yield TextDelta("Bend.", 1)
        finally:
            self.running -= 1


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_one_generator_keeps_its_bound(sharded: Bus, concurrency: int) -> None:
    """With eight shards and one slot, six requests ran at once."""
    generator, names = Counting(), one_source_a_shard()
    for n in range(3):
        for source_id in names:
            made = request(n, source_id=source_id, request_id=f"{source_id}:r1:{n}")
            keys = sharded.keys(source_id)
            await sharded.redis.hset(keys.open_requests, made.request_id, 0)
            await sharded.redis.xadd(keys.requests, {FIELD: pack(made)})

    async def all_ended() -> bool:
        return not sum([await sharded.redis.hlen(keys.open_requests) for keys in sharded.all_keys()])

    async with worker(sharded, generator, concurrency=concurrency):
        await until(all_ended)
    assert generator.most == concurrency


@pytest.mark.parametrize("slots", [1, 3, 8, 20])
async def test_slots_hold_over_all_streams(sharded: Bus, slots: int) -> None:
    await ask_each(sharded, 4)
    seen: list[str] = []
    async with reader(sharded, "one", slots) as one:
        while len(seen) < 4 * SHARDS:
            assert one.busy <= slots
            for delivery in await one.take(slots):
                seen.append(delivery.message.question_id)
                await delivery.commit(Hop())
    assert len(set(seen)) == 4 * SHARDS


async def test_busy_reader_leaves_entries_to_others(sharded: Bus) -> None:
    async with reader(sharded, "busy", 1) as busy, reader(sharded, "idle", 1) as idle:
        await ask_each(sharded, 1)
        (held,) = await busy.take()
        seen = {held.message.question_id}
        while len(seen) < SHARDS:
            (delivery,) = await idle.take()
            seen.add(delivery.message.question_id)
            await delivery.commit(Hop())
        assert busy.busy == 1
        await held.commit(Hop())


async def test_new_entry_wakes_a_reader_in_turn(sharded: Bus) -> None:
    async with reader(sharded, "one", 1) as one:
        for n in range(3):
            await sharded.ask(Question(f"q{n}", one_source_a_shard()[n], "how many?", 1.0))
            (delivery,) = await one.take()
            assert delivery.message.question_id == f"q{n}"
            await delivery.commit(Hop())


async def dead_consumer_holds(bus: Bus, *numbers: int, count: int = 1) -> None:
    """Entries that a consumer had in hand when it died."""
    stream = bus.keys(SOURCE).questions
    await ask(bus, *numbers)
    with contextlib.suppress(Exception):
        await bus.redis.xgroup_create(stream, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "the dead", {stream: ">"})
    for entry in await pending(bus):
        await bus.redis.xclaim(stream, GROUP, "the dead", 0, [entry["message_id"]], retrycount=count, justid=True)
    await make_entries_idle(bus, stream, GROUP)


async def test_suspects_are_claimed_one_by_one(bus: Bus) -> None:
    """Those behind the guilty one stay with the dead consumer, so the next one need not wait for them to be idle."""
    await dead_consumer_holds(bus, 1, 2, 3)
    await ask(bus, 4)
    async with consumer(bus, alone_from=2, count_begun=True) as one:
        for n in (1, 2, 3):
            (suspect,) = await one.take(8)
            assert (suspect.message.question_id, one.busy) == (f"q{n}", 1)
            owners = [entry["consumer"] for entry in await pending(bus)]
            assert owners == [b"one", *[b"the dead"] * (3 - n)]
            await suspect.commit(Hop())
        (fresh,) = await one.take(8)
        assert fresh.message.question_id == "q4"


async def test_suspect_waits_for_an_empty_hand(bus: Bus) -> None:
    await ask(bus, 1, 2)
    async with consumer(bus, alone_from=2, count_begun=True) as one:
        mine = [(await one.take())[0] for _ in range(2)]
        await dead_consumer_holds(bus, 3)
        await asyncio.sleep(0.3)
        assert one.waiting() == 0
        for each in mine:
            await each.commit(Hop())
        (suspect,) = await one.take(8)
        assert (suspect.message.question_id, suspect.deliveries) == ("q3", 2)


async def test_less_tried_suspect_comes_first(bus: Bus) -> None:
    await dead_consumer_holds(bus, 1, count=2)
    await dead_consumer_holds(bus, 2)
    for entry, count in zip(await pending(bus), (2, 1), strict=True):
        await bus.redis.xclaim(
            bus.keys(SOURCE).questions, GROUP, "the dead", 0, [entry["message_id"]], retrycount=count, justid=True
        )
    await make_entries_idle(bus, bus.keys(SOURCE).questions, GROUP)
    async with consumer(bus, alone_from=2, count_begun=True) as one:
        found = []
        for _ in range(2):
            (suspect,) = await one.take(8)
            found.append(suspect.message.question_id)
            await suspect.commit(Hop())
    assert found == ["q2", "q1"]


async def test_only_begun_deliveries_count(bus: Bus) -> None:
    """A chunk that waited for its turn while deciders came and went was buried for it."""
    await dead_consumer_holds(bus, 1)
    for n in range(8):
        async with consumer(bus, f"one{n}", count_begun=True) as one:
            (delivery,) = await one.take()
            assert delivery.deliveries == 2
    async with consumer(bus, "two", count_begun=True) as two:
        (delivery,) = await two.take()
        await delivery.begin()
        assert (await pending(bus))[0]["times_delivered"] == 2
    assert (await pending(bus))[0]["times_delivered"] == 2


async def test_restart_under_one_name_counts(bus: Bus) -> None:
    """A container keeps its name: what it had in hand when it died is a suspect, and at last buried."""
    await ask(bus, 1)
    for n in range(1, 4):
        await make_entries_idle(bus, bus.keys(SOURCE).questions, GROUP) if n > 1 else None
        dying = consumer(bus, alone_from=2, count_begun=True)
        one = await dying.__aenter__()
        (delivery,) = await one.take()
        assert delivery.deliveries == n
        await delivery.begin()
        for task in one._tasks:  # dies: nothing is released
            task.cancel()
        await asyncio.gather(*one._tasks, return_exceptions=True)
    async with consumer(bus, alone_from=2, count_begun=True) as last:
        await until_true(lambda: last.buried == 1)


class NativeCrash(BaseException):
    """Stands for the death of the process."""


async def test_deadly_request_costs_only_itself(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that were answered beside one that kills the generator are answered, not buried with it."""
    alive = Latch()

    class Deadly(ScriptedGenerator):
        async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
            if request.seq == 1:
                await asyncio.sleep(0.05)  # the others have begun
                raise NativeCrash
            if not alive.open.is_set():
                await asyncio.sleep(0.2)
            yield TextDelta("Bend.", 1)

    deaths = 0
    await send(bus, *[request(seq) for seq in range(4)])

    async def supervise() -> None:
        nonlocal deaths
        while True:
            try:
                await answer_loop(context_for(bus, f"g{deaths}", concurrency=4), Deadly())
            except* NativeCrash:
                deaths += 1

    supervision = asyncio.create_task(supervise())
    ends = await until(lambda: ended(bus, 4))
    supervision.cancel()
    await asyncio.gather(supervision, return_exceptions=True)
    assert {end.request_id: end.status for end in ends} == {
        f"cam:r1:{seq}": "failed" if seq == 1 else "done" for seq in range(4)
    }
    assert deaths == 4  # twice beside others, twice alone
    (letter,) = [unpack(fields[FIELD], DeadLetter) for _, fields in await bus.redis.xrange(bus.keys(SOURCE).dead)]
    assert unpack(letter.body, Request).seq == 1


async def test_defect_outside_the_backend_fails_one_request(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    good = RequestWorker.run

    async def bad(self: RequestWorker) -> None:
        if self._request.seq == 3:
            raise ZeroDivisionError("oops")
        await good(self)

    monkeypatch.setattr(RequestWorker, "run", bad)
    async with worker(bus) as context:
        await send(bus, request(3), request(4))
        await until(lambda: ended(bus, 2))
        assert not context.stopping.is_set()
    ends = await events(bus, EndEvent)
    assert [(end.request_id, end.status) for end in ends] == [("cam:r1:3", "failed"), ("cam:r1:4", "done")]
    assert "ZeroDivisionError: oops" in ends[0].cause


async def test_damaged_open_requests_end_no_generator(bus: Bus) -> None:
    """A field that holds no number is set back, and its request goes on."""
    async with worker(bus) as context:
        await send(bus, request(3))
        await until(lambda: ended(bus, 1))
        damaged = request(4)
        await bus.redis.hset(bus.keys(SOURCE).open_requests, damaged.request_id, "x")
        await bus.redis.xadd(bus.keys(SOURCE).requests, {FIELD: pack(damaged)})
        await send(bus, request(5))
        ends = await until(lambda: ended(bus, 3))
        assert not context.stopping.is_set()
    assert [end.status for end in ends] == ["done", "done", "done"]
