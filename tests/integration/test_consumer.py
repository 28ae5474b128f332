"""The consumer on a real server: at-least-once reading, exactly-once hops, and the Redis behaviour it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import DeadLetter, Question
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import FencedError
from tests.integration.waiting import expire_key, make_entries_idle, until, until_true

pytestmark = pytest.mark.topologies("cluster")

GROUP = "decider"


def question(n: int) -> Question:
    return Question(f"q{n}", "cam", "how many?", float(n))


async def ask(bus: Bus, *numbers: int) -> None:
    for n in numbers:
        await bus.ask(question(n))


@asynccontextmanager
async def consumer(bus: Bus, name: str = "one", **options: Any) -> AsyncIterator[Consumer[Question]]:
    options.setdefault("slots", 4)
    async with Consumer(bus, [bus.keys("cam").questions], GROUP, Question, name, **options) as made:
        yield made


async def pending(bus: Bus) -> list[dict[str, Any]]:
    found = await bus.redis.xpending_range(bus.keys("cam").questions, GROUP, "-", "+", 100)
    return list(found)


async def dead(bus: Bus) -> list[DeadLetter]:
    return [unpack(fields[FIELD], DeadLetter) for _, fields in await bus.redis.xrange(bus.keys("cam").dead)]


async def test_messages_are_delivered_and_acknowledged_once(bus: Bus) -> None:
    await ask(bus, *range(20))
    k, seen = bus.keys("cam"), []
    async with consumer(bus) as c:
        while len(seen) < 20:
            for d in await c.take(8):
                seen.append(d.message.question_id)
                assert await d.commit(Hop().add(k.requests, d.message, 100)) is HopResult.DONE
    assert seen == [f"q{n}" for n in range(20)]
    assert await bus.redis.xlen(k.requests) == 20
    assert await pending(bus) == []


async def test_reads_at_most_its_free_slots(bus: Bus) -> None:
    await ask(bus, *range(10))
    async with consumer(bus, slots=3) as c:
        await until_true(lambda: c.busy == 3)
        await asyncio.sleep(0.2)
        assert c.busy == 3
        assert len(await pending(bus)) == 3


async def test_two_commits_give_one_output(bus: Bus) -> None:
    await ask(bus, 1)
    k = bus.keys("cam")
    async with consumer(bus) as c:
        (d,) = await c.take()
        first, second = await asyncio.gather(
            d.commit(Hop().add(k.requests, d.message, 100)), d.commit(Hop().add(k.requests, d.message, 100))
        )
    assert {first, second} == {HopResult.DONE, HopResult.SETTLED_BEFORE}
    assert await bus.redis.xlen(k.requests) == 1


async def test_reclaimed_entry_counts_a_second_delivery(bus: Bus) -> None:
    await ask(bus, 1)
    await bus.redis.xgroup_create(bus.keys("cam").questions, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "the dead", {bus.keys("cam").questions: ">"})
    await make_entries_idle(bus, bus.keys("cam").questions, GROUP)
    async with consumer(bus) as c:
        (d,) = await c.take()
        assert (d.message, d.deliveries) == (question(1), 2)
        assert c.reclaimed == 1


async def test_heartbeat_keeps_long_work(bus: Bus) -> None:
    """XCLAIM JUSTID is a heartbeat that does not raise the delivery count."""
    await ask(bus, 1, 2)
    idle_ms = bus.settings.bus.idle_ms
    async with consumer(bus, slots=1) as slow:
        (d,) = await slow.take()

        async def spoken_for() -> bool:
            return (await pending(bus))[0]["time_since_delivered"] < idle_ms

        for _ in range(3):  # three times the idle time of an entry
            await make_entries_idle(bus, bus.keys("cam").questions, GROUP)
            await until(spoken_for)
        async with consumer(bus, "two") as other:
            (second,) = await other.take()  # a consumer reclaims before it reads new entries
            assert second.message == question(2)
            assert (other.busy, other.reclaimed) == (1, 0)
            assert not d.lost.is_set()
        mine = await pending(bus)
        assert (mine[0]["consumer"], mine[0]["times_delivered"]) == (b"one", 1)
        assert await d.commit(Hop()) is HopResult.DONE


async def test_suspended_worker_sees_lost_entry(bus: Bus) -> None:
    await ask(bus, 1)
    stream = bus.keys("cam").questions
    async with consumer(bus) as c:
        (d,) = await c.take()
        (entry,) = await pending(bus)
        await bus.redis.xclaim(stream, GROUP, "another", 0, [entry["message_id"]])
        await asyncio.wait_for(d.lost.wait(), 60)
        assert c.busy == 0
        assert (await pending(bus))[0]["consumer"] == b"another"


async def test_justid_keeps_the_delivery_count(bus: Bus) -> None:
    await ask(bus, 1)
    stream = bus.keys("cam").questions
    await bus.redis.xgroup_create(stream, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "a", {stream: ">"})
    await bus.redis.xautoclaim(stream, GROUP, "b", 0)
    assert (await pending(bus))[0]["times_delivered"] == 2
    await bus.redis.xclaim(stream, GROUP, "b", 0, [(await pending(bus))[0]["message_id"]], justid=True)
    assert (await pending(bus))[0]["times_delivered"] == 2


async def test_own_pending_entries_are_drained(bus: Bus) -> None:
    """A read whose reply was lost leaves entries in our pending list, which `>` never returns."""
    await ask(bus, 1, 2)
    stream = bus.keys("cam").questions
    await bus.redis.xgroup_create(stream, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "one", {stream: ">"})
    async with consumer(bus, "one") as c:
        taken = [(await c.take())[0], (await c.take())[0]]
        assert [d.message.question_id for d in taken] == ["q1", "q2"]


async def test_trimmed_pending_entries_are_counted(bus: Bus) -> None:
    """MAXLEN trims entries that are pending; a later read of them gives empty fields."""
    await ask(bus, 1, 2)
    stream = bus.keys("cam").questions
    await bus.redis.xgroup_create(stream, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "one", {stream: ">"})
    await bus.redis.xtrim(stream, maxlen=1, approximate=False)
    reply = await bus.redis.xreadgroup(GROUP, "one", {stream: "0"})
    assert not reply[0][1][0][1]
    async with consumer(bus, "one") as c:
        (d,) = await c.take()
        assert d.message == question(2)
        assert c.trimmed == 1
        assert len(await pending(bus)) == 1


async def test_too_many_deliveries_bury_an_entry(bus: Bus) -> None:
    await ask(bus, 1)
    k = bus.keys("cam")
    await bus.redis.xgroup_create(k.questions, GROUP, id="0")
    await bus.redis.xreadgroup(GROUP, "a", {k.questions: ">"})
    for _ in range(bus.settings.bus.max_deliveries - 1):
        await bus.redis.xautoclaim(k.questions, GROUP, "a", 0)
    await make_entries_idle(bus, k.questions, GROUP)
    async with consumer(bus, tombstone=lambda m, reason: Hop().count(k.counters(m.source_id), "buried")) as c:
        await until_true(lambda: c.buried == 1)
    (letter,) = await dead(bus)
    assert unpack(letter.body, Question) == question(1)
    assert "delivered 5 times" in letter.reason
    assert await bus.redis.hget(k.counters("cam"), "buried") == b"1"
    assert await pending(bus) == []


async def test_malformed_entries_become_dead_letters(bus: Bus) -> None:
    k = bus.keys("cam")
    whole = pack(question(0))
    for n in range(1000):
        kind = n % 5
        fields: dict[Any, Any] = {
            FIELD: [b"", b"\xc1", whole[: 1 + n % (len(whole) - 1)], whole.replace(b"\x01", b"\x09", 1)][kind % 4]
        }
        await bus.redis.xadd(k.questions, {b"x": b"no field m"} if kind == 4 else fields)
    await ask(bus, 7)
    async with consumer(bus) as c:
        (d,) = await asyncio.wait_for(c.take(), 100)
        assert d.message == question(7)
        assert c.buried == 1000
        await d.commit(Hop())
    assert len(await dead(bus)) == 1000
    assert await pending(bus) == []


async def test_lost_group_is_created_again(bus: Bus) -> None:
    async with consumer(bus) as c:
        await until(lambda: bus.redis.exists(bus.keys("cam").questions))
        await bus.redis.delete(bus.keys("cam").questions)
        await ask(bus, 1)
        (d,) = await asyncio.wait_for(c.take(), 60)
        assert d.message == question(1)


async def test_released_entry_is_reclaimed_at_once(bus: Bus) -> None:
    await ask(bus, 1)
    async with consumer(bus) as c:
        (d,) = await c.take()
        c.stop()
        await d.release()
        async with consumer(bus, "two") as other:
            (again,) = await asyncio.wait_for(other.take(), 60)
            assert again.message == question(1)


async def test_leaving_keeps_pending_entries(bus: Bus) -> None:
    """XGROUP DELCONSUMER drops pending entries silently; only an empty consumer is deleted."""
    await ask(bus, 1)
    async with consumer(bus) as c:
        await c.take()
    assert len(await pending(bus)) == 1
    async with consumer(bus, "two") as other:
        (d,) = await other.take()
        await d.commit(Hop())
    names = [info["name"] for info in await bus.redis.xinfo_consumers(bus.keys("cam").questions, GROUP)]
    assert b"two" not in names


async def test_three_consumers_complete_out_of_order(bus: Bus) -> None:
    await ask(bus, *range(9))
    done: list[str] = []
    async with consumer(bus, "a", slots=1) as slow, consumer(bus, "b", slots=1) as b, consumer(bus, "c", slots=1) as c:
        (first,) = await slow.take()

        async def work(of: Consumer[Question]) -> None:
            while taken := await of.take():
                await taken[0].commit(Hop())
                done.append(taken[0].message.question_id)
                if len(done) == 8:
                    b.stop()
                    c.stop()

        await asyncio.wait_for(asyncio.gather(work(b), work(c)), 60)
        await first.commit(Hop())
        done.append(first.message.question_id)
    assert sorted(done) == [f"q{n}" for n in range(9)]
    assert done != sorted(done)


async def test_expired_owner_is_fenced(bus: Bus) -> None:
    await ask(bus, 1)
    k = bus.keys("cam")
    first, second = (Lease(bus, k, "decider", name) for name in ("one", "two"))
    assert await first.acquire()
    async with consumer(bus, "one", lease=first) as old:
        (mine,) = await old.take()
        assert not await second.acquire()
        await expire_key(bus, first.key)
        assert await second.acquire()
        async with consumer(bus, "two", lease=second) as new:
            (theirs,) = await asyncio.wait_for(new.take(), 60)
            with pytest.raises(FencedError, match="generation 1"):
                await mine.commit(Hop().add(k.requests, mine.message, 100))
            assert await theirs.commit(Hop().add(k.requests, theirs.message, 100)) is HopResult.DONE
    assert await bus.redis.xlen(k.requests) == 1
    assert not await first.renew()
    assert first.lost.is_set()
