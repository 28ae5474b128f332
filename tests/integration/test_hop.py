"""A hop settles its input and writes all outputs in one script, or does nothing."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest
from redis.exceptions import ResponseError

from cornerman_shared.bus.codec import unpack, unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import Question, StateEvent
from cornerman_shared.bus.scripts import source
from cornerman_shared.bus.streams import FIELD, Keys
from cornerman_shared.errors import BlobExpiredError, FencedError

pytestmark = pytest.mark.topologies("cluster", "sentinel")

GROUP = "decider"
ASKED = Question("q1", "cam", "how many?", 1.0)
PLAYING = StateEvent("cam", "r1", "playing", "", 1.0)


@pytest.fixture
def k(bus: Bus) -> Keys:
    return bus.keys("cam")


async def delivered(bus: Bus, k: Keys) -> str:
    """A question that a consumer has read."""
    await bus.ask(ASKED)
    await bus.redis.xgroup_create(k.questions, GROUP, id="0")
    ((_, ((entry_id, _),)),) = await bus.redis.xreadgroup(GROUP, "one", {k.questions: ">"})
    return str(entry_id.decode())


async def test_every_operation_runs(bus: Bus, k: Keys) -> None:
    entry_id = await delivered(bus, k)
    blob = await bus.put_blob(k.blob("cam", "r1", 1, "frames"), np.ones(3), 60)
    await bus.redis.hset(k.open_requests, "gone", 1)
    await bus.redis.zadd(k.inflight("cam"), {"r1:1": 1.0, "r1:2": 2.0})
    hop = (
        Hop()
        .add(k.requests, ASKED, 100)
        .event(k, PLAYING, 100)
        .set(k.open_requests, "new", 0)
        .delete(k.open_requests, "gone")
        .release(k.inflight("cam"), "r1:1")
        .count(k.counters("cam"), "questions")
        .count(k.counters("cam"), "decided", 3)
        .free([None, blob])
    )
    outcome = await hop.run(bus.scripts, stream=k.questions, group=GROUP, entry_id=entry_id)
    assert outcome is HopResult.DONE
    ((_, fields),) = await bus.redis.xrange(k.requests)
    assert unpack(fields[FIELD], Question) == ASKED
    for stream in (k.feedback("cam"), k.feedback_all):
        ((_, fields),) = await bus.redis.xrange(stream)
        assert unpack_event(fields[FIELD]) == PLAYING
    assert await bus.redis.hgetall(k.open_requests) == {b"new": b"0"}
    assert await bus.redis.zrange(k.inflight("cam"), 0, -1) == [b"r1:2"]
    assert await bus.redis.hgetall(k.counters("cam")) == {b"questions": b"1", b"decided": b"3"}
    with pytest.raises(BlobExpiredError, match=r"blob \{cm0\}:blob:cam:r1:1:frames is gone"):
        await bus.get_blob(blob)
    assert (await bus.redis.xpending(k.questions, GROUP))["pending"] == 0


async def test_second_run_does_nothing(bus: Bus, k: Keys) -> None:
    entry_id = await delivered(bus, k)
    for wanted in (HopResult.DONE, HopResult.SETTLED_BEFORE, HopResult.SETTLED_BEFORE):
        hop = Hop().add(k.requests, ASKED, 100).count(k.counters("cam"), "decided")
        assert await hop.run(bus.scripts, stream=k.questions, group=GROUP, entry_id=entry_id) is wanted
    assert await bus.redis.xlen(k.requests) == 1
    assert await bus.redis.hget(k.counters("cam"), "decided") == b"1"


async def test_hop_without_input_runs(bus: Bus, k: Keys) -> None:
    assert await Hop().count(k.counters("cam"), "errors").run(bus.scripts) is HopResult.DONE
    assert await bus.redis.hget(k.counters("cam"), "errors") == b"1"


async def test_unless_value_is_kept(bus: Bus, k: Keys) -> None:
    for before, wanted in (("playing", b"ended"), ("failed", b"failed")):
        await bus.redis.hset(k.run("cam"), "state", before)
        hop = Hop().set(k.run("cam"), "state", "ended", unless="failed").set(k.run("cam"), "done", "1")
        assert await hop.run(bus.scripts) is HopResult.DONE
        assert await bus.redis.hmget(k.run("cam"), "state", "done") == [wanted, b"1"]


async def test_once_guards_later_operations_only(bus: Bus, k: Keys) -> None:
    await bus.redis.hset(k.open_requests, "cam:r1:1", 2)

    async def end() -> HopResult:
        hop = Hop().count(k.counters("cam"), "tried").once(k.open_requests, "cam:r1:1").event(k, PLAYING, 100)
        return await hop.run(bus.scripts)

    outcomes = await asyncio.gather(*(end() for _ in range(10)))
    assert sorted(outcome.name for outcome in outcomes) == ["DONE"] + ["ONLY_SETTLED"] * 9
    assert await bus.redis.xlen(k.feedback("cam")) == 1
    assert await bus.redis.hget(k.counters("cam"), "tried") == b"10"


async def test_expect_refuses_a_newer_attempt(bus: Bus, k: Keys) -> None:
    entry_id = await delivered(bus, k)
    await bus.redis.hset(k.open_requests, "cam:r1:1", 2)
    for attempt, wanted in ((1, HopResult.SETTLED_BEFORE), (3, HopResult.SETTLED_BEFORE), (2, HopResult.DONE)):
        hop = Hop().count(k.counters("cam"), "feedback").expect(k.open_requests, "cam:r1:1", attempt)
        assert await hop.run(bus.scripts, stream=k.questions, group=GROUP, entry_id=entry_id) is wanted
        left = (await bus.redis.xpending(k.questions, GROUP))["pending"]
        assert left == (0 if wanted is HopResult.DONE else 1)
    assert await bus.redis.hget(k.counters("cam"), "feedback") == b"1"


async def test_expect_passes_a_missing_field(bus: Bus, k: Keys) -> None:
    hop = Hop().expect(k.open_requests, "cam:r1:1", 7).count(k.counters("cam"), "feedback")
    assert await hop.run(bus.scripts) is HopResult.DONE


async def test_extend_joins_two_hops(bus: Bus, k: Keys) -> None:
    await bus.redis.hset(k.open_requests, "a", 1)
    await bus.redis.hset(k.open_requests, "b", 5)
    other = Hop().expect(k.open_requests, "b", 5).once(k.open_requests, "a").event(k, PLAYING, 100)
    both = Hop().count(k.counters("cam"), "buried").add(k.dead, ASKED, 100).extend(other)
    assert await both.run(bus.scripts) is HopResult.DONE
    assert await bus.redis.xlen(k.feedback_all) == await bus.redis.xlen(k.dead) == 1
    assert await bus.redis.hgetall(k.open_requests) == {b"b": b"5"}
    refused = Hop().count(k.counters("cam"), "buried").extend(Hop().expect(k.open_requests, "b", 6))
    assert await refused.run(bus.scripts) is HopResult.SETTLED_BEFORE
    assert await bus.redis.hget(k.counters("cam"), "buried") == b"1"
    # `extend` does not change the other hop.
    assert await other.run(bus.scripts) is HopResult.ONLY_SETTLED


async def test_old_generation_is_fenced(bus: Bus, k: Keys) -> None:
    entry_id = await delivered(bus, k)
    old, new = Lease(bus, k, "decider", "old"), Lease(bus, k, "decider", "new")
    assert await old.acquire()
    stale = old.generation
    await old.release()
    assert await new.acquire()
    for generation in (stale, old.generation):
        with pytest.raises(FencedError, match=f"generation {generation} of .*fence:decider is over"):
            await (
                Hop()
                .add(k.requests, ASKED, 100)
                .run(
                    bus.scripts,
                    stream=k.questions,
                    group=GROUP,
                    entry_id=entry_id,
                    fence=old.fence,
                    generation=generation,
                )
            )
    assert await bus.redis.xlen(k.requests) == 0
    assert (await bus.redis.xpending(k.questions, GROUP))["pending"] == 1
    assert (
        await Hop().count(k.counters("cam"), "x").run(bus.scripts, fence=new.fence, generation=new.generation)
        is HopResult.DONE
    )


async def test_hop_trims_the_stream(bus: Bus, k: Keys) -> None:
    for _ in range(1000):
        await Hop().add(k.requests, ASKED, 100).run(bus.scripts)
    assert 100 <= await bus.redis.xlen(k.requests) < 300


async def test_flushed_scripts_are_loaded_again(bus: Bus, k: Keys) -> None:
    await Hop().count(k.counters("cam"), "x").run(bus.scripts)
    await bus.redis.script_flush()
    assert await Hop().count(k.counters("cam"), "x").run(bus.scripts) is HopResult.DONE
    assert await bus.redis.hget(k.counters("cam"), "x") == b"2"


async def test_damaged_key_stops_the_whole_hop(bus: Bus, k: Keys) -> None:
    """A script is not undone when a command in it fails."""
    entry_id = await delivered(bus, k)
    await bus.redis.set(k.inflight("cam"), "text")
    hop = Hop().event(k, PLAYING, 100).count(k.counters("cam"), "decided").release(k.inflight("cam"), "r1:1")
    with pytest.raises(ResponseError, match=r"WRONGTYPE .*inflight:cam holds a string instead of a zset"):
        await hop.run(bus.scripts, stream=k.questions, group=GROUP, entry_id=entry_id)
    assert not await bus.redis.exists(k.feedback("cam"), k.counters("cam"))
    assert (await bus.redis.xpending(k.questions, GROUP))["pending"] == 1


def test_every_operation_checks_its_key() -> None:
    text = source("hop")
    checked = set(re.findall(r"(\w+) = '(?:stream|hash|zset)'", text))
    assert set(re.findall(r"function operations\.(\w+)", text)) - {"free", "expire"} == checked - {"once"}


async def test_counter_that_is_no_number_starts_over(bus: Bus, k: Keys) -> None:
    await bus.redis.hset(k.counters("cam"), "decided", "many")
    for _ in range(2):
        assert await Hop().count(k.counters("cam"), "decided", 2).run(bus.scripts) is HopResult.DONE
    assert await bus.redis.hget(k.counters("cam"), "decided") == b"4"


async def test_only_the_current_incarnation_is_written(bus: Bus, k: Keys) -> None:
    await bus.redis.hset(k.sources, "cam", b"settings")
    await bus.redis.hset(k.incarnations, "cam", 7)
    await bus.redis.hset(k.run("cam"), "run", "r2")
    cases = {("r2", 7): True, ("r2", 0): True, ("", 7): True, ("r1", 7): False, ("r2", 6): False, ("r1", 0): False}
    for (run, incarnation), wanted in cases.items():
        hop = Hop().current(k, "cam", run, incarnation).count(k.counters("cam"), "decided")
        assert await hop.run(bus.scripts) is (HopResult.DONE if wanted else HopResult.SUPERSEDED)
    await bus.redis.delete(k.run("cam"), k.sources, k.incarnations)
    for incarnation in (0, 7):
        assert await Hop().current(k, "cam", "r2", incarnation).run(bus.scripts) is HopResult.SUPERSEDED
    assert await bus.redis.hget(k.counters("cam"), "decided") == b"3"
