"""Lag of a group, also where the server reports null or a wrong number."""

from __future__ import annotations

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lag import Lag, lag_of
from cornerman_shared.bus.messages import Question
from cornerman_shared.bus.streams import FIELD, Keys

pytestmark = pytest.mark.topologies("cluster")

GROUP = "encoder"


@pytest.fixture
def k(bus: Bus) -> Keys:
    return bus.keys("cam")


async def ask(bus: Bus, count: int) -> None:
    for n in range(count):
        await bus.ask(Question(f"q{n}", "cam", "?", 0.0))


async def read(bus: Bus, k: Keys, count: int) -> list[bytes]:
    ((_, entries),) = await bus.redis.xreadgroup(GROUP, "one", {k.questions: ">"}, count=count)
    return [entry_id for entry_id, _ in entries]


async def test_missing_stream_has_no_lag(bus: Bus, k: Keys) -> None:
    assert await lag_of(bus, k.questions, GROUP) == Lag(0, 0)


async def test_missing_group_waits_for_everything(bus: Bus, k: Keys) -> None:
    await ask(bus, 3)
    assert await lag_of(bus, k.questions, GROUP) == Lag(3, 0)


async def test_counts_waiting_and_pending_entries(bus: Bus, k: Keys) -> None:
    await ask(bus, 10)
    await bus.redis.xgroup_create(k.questions, GROUP, id="0")
    assert await lag_of(bus, k.questions, GROUP) == Lag(10, 0)
    first, *_ = await read(bus, k, 4)
    await bus.redis.xack(k.questions, GROUP, first)
    lag = await lag_of(bus, k.questions, GROUP)
    assert (lag, lag.total) == (Lag(6, 3), 9)


async def test_deleted_entries_are_counted_right(bus: Bus, k: Keys) -> None:
    """XDEL makes the group's `lag` null permanently."""
    for _ in range(1500):
        await bus.redis.xadd(k.questions, {FIELD: b""})
    await bus.redis.xgroup_create(k.questions, GROUP, id="0")
    await read(bus, k, 100)
    waiting = await bus.redis.xrange(k.questions, count=1000)
    await bus.redis.xdel(k.questions, waiting[500][0], waiting[501][0])
    (info,) = await bus.redis.xinfo_groups(k.questions)
    assert info["lag"] is None
    assert await lag_of(bus, k.questions, GROUP) == Lag(1398, 100)


async def test_trimmed_unread_entries_do_not_count(bus: Bus, k: Keys) -> None:
    """The server counts from its totals, so MAXLEN makes its lag too high."""
    await ask(bus, 50)
    await bus.redis.xgroup_create(k.questions, GROUP, id="0")
    await read(bus, k, 5)
    await bus.redis.xtrim(k.questions, maxlen=10, approximate=False)
    assert await lag_of(bus, k.questions, GROUP) == Lag(10, 5)


async def test_trimmed_read_entries_change_nothing(bus: Bus, k: Keys) -> None:
    await ask(bus, 50)
    await bus.redis.xgroup_create(k.questions, GROUP, id="0")
    await read(bus, k, 45)
    await bus.redis.xtrim(k.questions, maxlen=10, approximate=False)
    assert await lag_of(bus, k.questions, GROUP) == Lag(5, 45)


async def test_other_group_is_not_counted(bus: Bus, k: Keys) -> None:
    await ask(bus, 4)
    await bus.redis.xgroup_create(k.questions, "another", id="$")
    assert await lag_of(bus, k.questions, GROUP) == Lag(4, 0)


async def test_foreign_key_has_no_lag(bus: Bus, k: Keys) -> None:
    await bus.redis.set(k.questions, "no stream")
    assert await lag_of(bus, k.questions, GROUP) == Lag(0, 0)
    assert list(await bus.key_types.faults()) == [k.questions]
