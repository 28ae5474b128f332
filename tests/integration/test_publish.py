"""Publishing: within credit, once for each `seq`, and fenced by a newer owner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cornerman_shared.bus.codec import unpack, unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import Chunk, ErrorEvent, StateEvent, Times
from cornerman_shared.bus.publish import credit_member, publish
from cornerman_shared.bus.runs import RunInfo, begin_run, set_counters, set_state
from cornerman_shared.bus.streams import FIELD, Keys
from cornerman_shared.errors import FencedError

pytestmark = pytest.mark.topologies("cluster", "sentinel")

URL = "test://bars"


@pytest.fixture
def k(bus: Bus) -> Keys:
    return bus.keys("cam")


@pytest.fixture
async def lease(bus: Bus, k: Keys) -> Lease:
    """A held lease; run `r1` has begun."""
    lease = Lease(bus, k, "capture:cam", "one")
    assert await lease.acquire()
    await begin_run(bus, "cam", "r1", URL, lease, resume=False)
    return lease


def chunk(seq: int, **changes: Any) -> Chunk:
    fields: dict[str, Any] = {"run": "r1", "lossless": False, "end": False, **changes}
    return Chunk(
        "cam", fields["run"], seq, seq / 8, (), 0.0, fields["lossless"], fields["end"], None, False, Times()
    )  # fmt: skip


async def published(bus: Bus, k: Keys) -> list[int]:
    return [unpack(fields[FIELD], Chunk).seq for _, fields in await bus.redis.xrange(k.chunks)]


async def test_at_most_credit_chunks_are_published(bus: Bus, k: Keys, lease: Lease) -> None:
    outcomes = [await publish(bus, chunk(seq), lease, credit=3) for seq in range(5)]
    assert outcomes == ["published"] * 3 + ["no_credit"] * 2
    await bus.redis.zrem(k.inflight("cam"), credit_member("r1", 1))
    assert await publish(bus, chunk(3), lease, credit=3) == "published"
    assert await published(bus, k) == [0, 1, 2, 3]
    assert await bus.redis.zcard(k.inflight("cam")) == 3
    assert await bus.redis.hget(k.counters("cam"), "published") == b"4"


async def test_retry_after_lost_reply_publishes_once(bus: Bus, k: Keys, lease: Lease) -> None:
    outcomes = [await publish(bus, chunk(0), lease, credit=3) for _ in range(3)]
    assert outcomes == ["published", "duplicate", "duplicate"]
    both = await asyncio.gather(*(publish(bus, chunk(1), lease, credit=3) for _ in range(8)))
    assert sorted(both) == ["duplicate"] * 7 + ["published"]
    assert await published(bus, k) == [0, 1]
    assert await bus.redis.zcard(k.inflight("cam")) == 2
    assert await bus.redis.hget(k.counters("cam"), "published") == b"2"


async def test_retry_without_credit_is_a_duplicate(bus: Bus, lease: Lease) -> None:
    assert await publish(bus, chunk(0), lease, credit=1) == "published"
    assert await publish(bus, chunk(0), lease, credit=1) == "duplicate"


async def test_unreturned_live_credit_heals(bus: Bus, k: Keys, lease: Lease) -> None:
    assert await publish(bus, chunk(0), lease, credit=1) == "published"
    assert await publish(bus, chunk(1), lease, credit=1) == "no_credit"
    seconds, _ = await bus.redis.time()
    stale_s = seconds - bus.settings.bus.credit_heal_s - 1
    await bus.redis.zadd(k.inflight("cam"), {credit_member("r1", 0): stale_s})
    assert await publish(bus, chunk(1), lease, credit=1) == "published"
    assert await bus.redis.zrange(k.inflight("cam"), 0, -1) == [credit_member("r1", 1).encode()]


async def test_lossless_credit_never_heals_by_age(bus: Bus, k: Keys, lease: Lease) -> None:
    """A slow encoder must not let a lossless source exceed its credit."""
    assert await publish(bus, chunk(0, lossless=True), lease, credit=1) == "published"
    await bus.redis.zadd(k.inflight("cam"), {credit_member("r1", 0): 1.0})
    assert await publish(bus, chunk(1, lossless=True), lease, credit=1) == "no_credit"


async def test_end_marker_is_published_once(bus: Bus, k: Keys, lease: Lease) -> None:
    assert await publish(bus, chunk(0), lease, credit=1) == "published"
    assert await publish(bus, chunk(1, end=True), lease, credit=1) == "published"
    assert await publish(bus, chunk(1, end=True), lease, credit=1) == "duplicate"
    assert await bus.redis.xlen(k.chunks) == 2
    assert await bus.redis.hgetall(k.counters("cam")) == {b"published": b"1"}
    assert await begin_run(bus, "cam", "r2", URL, lease, resume=True) == RunInfo("r1", 1, True)


async def test_run_without_chunks_ends(bus: Bus, k: Keys, lease: Lease) -> None:
    assert await publish(bus, chunk(0, end=True), lease, credit=1) == "published"
    assert await publish(bus, chunk(0, end=True), lease, credit=1) == "duplicate"


async def test_resumed_run_continues_behind_published_chunks(bus: Bus, k: Keys, lease: Lease) -> None:
    for seq in range(3):
        await publish(bus, chunk(seq), lease, credit=9)
    after = Lease(bus, k, "capture:cam", "two")
    await lease.release()
    assert await after.acquire()
    assert await begin_run(bus, "cam", "r2", URL, after, resume=True) == RunInfo("r1", 3, False)
    assert await publish(bus, chunk(2), after, credit=9) == "duplicate"
    assert await publish(bus, chunk(3), after, credit=9) == "published"


@pytest.mark.parametrize(("url", "resume"), [(URL, False), ("test://another", True)])
async def test_new_run_resets_counters_and_credit(bus: Bus, k: Keys, lease: Lease, url: str, resume: bool) -> None:
    await publish(bus, chunk(0), lease, credit=1)
    await set_counters(bus, "cam", {"captured": 8}, lease)
    assert await begin_run(bus, "cam", "r2", url, lease, resume=resume) == RunInfo("r2", 0, False)
    assert await bus.redis.hgetall(k.counters("cam")) == {}
    assert await publish(bus, chunk(0, run="r2"), lease, credit=1) == "published"


async def test_resume_without_run_starts_one(bus: Bus, k: Keys) -> None:
    lease = Lease(bus, k, "capture:cam", "one")
    await lease.acquire()
    assert await begin_run(bus, "cam", "r1", URL, lease, resume=True) == RunInfo("r1", 0, False)


async def test_former_owner_writes_nothing(bus: Bus, k: Keys, lease: Lease) -> None:
    newer = Lease(bus, k, "capture:cam", "two")
    await bus.redis.delete(lease.key)
    assert await newer.acquire()
    before = await bus.redis.dbsize()
    message = "generation \\d+ of capture:cam is over"
    with pytest.raises(FencedError, match=message):
        await publish(bus, chunk(0), lease, credit=9)
    with pytest.raises(FencedError, match=message):
        await begin_run(bus, "cam", "r9", URL, lease, resume=False)
    with pytest.raises(FencedError, match=message):
        await set_state(bus, "cam", "r1", "playing", "", lease)
    with pytest.raises(FencedError, match=message):
        await set_counters(bus, "cam", {"captured": 1}, lease)
    assert await bus.redis.dbsize() == before


async def test_chunk_of_old_run_is_fenced(bus: Bus, k: Keys, lease: Lease) -> None:
    await begin_run(bus, "cam", "r2", URL, lease, resume=False)
    with pytest.raises(FencedError, match="a newer owner holds the lease, or a newer run"):
        await publish(bus, chunk(0), lease, credit=9)
    assert await bus.redis.xlen(k.chunks) == 0


async def test_state_is_stored_and_published(bus: Bus, k: Keys, lease: Lease) -> None:
    await set_state(bus, "cam", "r1", "reconnecting", "no frame for 5 s", lease)
    run = await bus.redis.hgetall(k.run("cam"))
    assert (run[b"state"], run[b"detail"]) == (b"reconnecting", b"no frame for 5 s")
    for stream in (k.feedback("cam"), k.feedback_all):
        ((_, fields),) = await bus.redis.xrange(stream)
        event = unpack_event(fields[FIELD])
        assert isinstance(event, StateEvent)
        assert (event.state, event.run, event.detail) == ("reconnecting", "r1", "no frame for 5 s")


async def test_repeated_state_is_published_once(bus: Bus, k: Keys, lease: Lease) -> None:
    """After a cancellation or a lost reply the state may have been written; it is sent again."""
    for _ in range(3):
        await set_state(bus, "cam", "r1", "failed", "no such file", lease, is_error=True)
    events = [unpack_event(fields[FIELD]) for _, fields in await bus.redis.xrange(k.feedback("cam"))]
    assert [type(event) for event in events] == [StateEvent, ErrorEvent]
    assert len(await bus.redis.xrange(k.feedback_all)) == 2
    await set_state(bus, "cam", "r1", "failed", "another reason", lease)
    assert await bus.redis.xlen(k.feedback("cam")) == 3
    assert (await begin_run(bus, "cam", "r2", "file", lease, resume=False)).run == "r2"
    await set_state(bus, "cam", "r2", "failed", "another reason", lease)
    assert await bus.redis.xlen(k.feedback("cam")) == 4


async def test_counters_are_absolute_and_unpublished(bus: Bus, k: Keys, lease: Lease) -> None:
    for captured in (10, 20):
        await set_counters(bus, "cam", {"captured": captured, "dropped:no_credit": 2}, lease)
    assert await bus.redis.hgetall(k.counters("cam")) == {b"captured": b"20", b"dropped:no_credit": b"2"}
    assert await bus.redis.exists(k.feedback("cam")) == 0


async def test_chunk_stream_is_trimmed(bus: Bus, k: Keys, lease: Lease) -> None:
    bounded = bus.settings.bus.model_copy(update={"maxlen": 100})
    bus.settings = bus.settings.model_copy(update={"bus": bounded})
    for seq in range(600):
        await publish(bus, chunk(seq), lease, credit=1000)
    assert 100 <= await bus.redis.xlen(k.chunks) < 300
