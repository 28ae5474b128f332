"""A long gap and a state that cannot be read cost their own source only, and are told once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgpack
import pytest
from redis.exceptions import ResponseError

from cornerman_decider.state_codec import STATE_FIELD
from cornerman_shared.bus.codec import pack, unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, ErrorEvent, Event, Features
from cornerman_shared.bus.registry import add_source, remove_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings
from tests.integration.capture_harness import PATTERN, capture, is_state, spec
from tests.integration.decider_harness import credit_is_back, decider, features, has_decided, register, send
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.waiting import until

OTHER = "other"
MANY = 60_000
CREDIT = 8


async def other_source(bus: Bus) -> None:
    await add_source(bus, SourceSpec(source_id=OTHER, url="test://"))


async def of_other(bus: Bus, seq: int) -> Features:
    return replace(await features(bus, seq), source_id=OTHER, video=None)


async def told(bus: Bus, source_id: str = OTHER) -> list[Event]:
    rows = await bus.redis.xrange(bus.keys(source_id).feedback(source_id))
    return [unpack_event(fields[FIELD]) for _, fields in rows]


async def test_long_gap_is_one_event(bus: Bus) -> None:
    await register(bus, speak={"gap_s": 0.1})
    await other_source(bus)
    async with decider(bus) as context:
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        lost = {f"r1:{seq}": float(seq) for seq in range(MANY - CREDIT + 1, MANY + 1)}
        await bus.redis.zadd(bus.keys(SOURCE).inflight(SOURCE), lost)
        generation = await bus.redis.get(bus.keys(SOURCE).fence("decider"))
        await send(bus, await features(bus, MANY + 1), await of_other(bus, 0), await features(bus, MANY + 2))
        await until(lambda: has_decided(bus, 4))
        await until(lambda: told(bus))
        await bus.redis.zrem(bus.keys(SOURCE).inflight(SOURCE), "r1:0")  # of the other source
        await until(lambda: credit_is_back(bus))
        assert not context.stopping.is_set()
        assert await bus.redis.get(bus.keys(SOURCE).fence("decider")) == generation
    found = await events(bus, DecisionEvent)
    assert [(event.seq, event.n_chunks) for event in found] == [(0, 1), (1, MANY), (MANY + 1, 1), (MANY + 2, 1)]
    assert found[1].reason == f"lost 1..{MANY}"
    assert await counters(bus) == {"decided": MANY + 3, "lost": MANY}
    # No more work than for a gap of one: one event, two counters.
    assert await bus.redis.xlen(bus.keys(SOURCE).feedback(SOURCE)) == 4


def _with(field: str, value: object) -> Callable[[Bus], Awaitable[None]]:
    async def damage(bus: Bus) -> None:
        key = bus.keys(SOURCE).decider_state(SOURCE)
        body = msgpack.unpackb(await bus.redis.hget(key, STATE_FIELD))
        body[field] = value
        await bus.redis.hset(key, STATE_FIELD, msgpack.packb(body))

    return damage


def _stored(body: bytes) -> Callable[[Bus], Awaitable[None]]:
    async def damage(bus: Bus) -> None:
        await bus.redis.hset(bus.keys(SOURCE).decider_state(SOURCE), STATE_FIELD, body)

    return damage


def _as_text(name: str) -> Callable[[Bus], Awaitable[None]]:
    async def damage(bus: Bus) -> None:
        await bus.redis.set(getattr(bus.keys(SOURCE), name)(SOURCE), "not what it was")

    return damage


DAMAGE = {
    "no msgpack": _stored(b"\xc1\xff"),
    "empty": _stored(b""),
    "another version": _with("v", 99),
    "no run": _with("run", None),
    "text as number": _with("next_seq", "seven"),
    "below zero": _with("next_seq", -3),
    "gate": _with("gate", {"spoke_at_s": "noon"}),
    "context": _with("context", [{"seq": "x"}]),
    "open": _with("open", 5),
    "memory": _with("memory", {"a": {"dtype": "<f4", "shape": [3], "data": b""}}),
    "key is text": _as_text("decider_state"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_unreadable_state_costs_its_source_only(bus: Bus, damage: Callable[[Bus], Awaitable[None]]) -> None:
    await register(bus, speak={"every_chunks": 3, "min_interval_s": 0})
    await other_source(bus)
    async with decider(bus):
        await send(bus, *[await features(bus, seq) for seq in range(3)])
        await until(lambda: has_decided(bus, 3))
    await damage(bus)
    for name in ("first", "second"):  # told once, not by each decider
        async with decider(bus, name):
            seq = 3 if name == "first" else 4
            await send(bus, await features(bus, seq), await of_other(bus, seq - 3))
            await until(lambda count=seq + 1: has_decided(bus, count))
            await until(lambda count=seq - 2: has_told(bus, count))
    assert [event.seq for event in await events(bus, DecisionEvent)] == list(range(5))  # none twice, none lost
    (error,) = await events(bus, ErrorEvent)
    assert "could not be read" in error.message and (error.stage, error.source_id) == ("decider", SOURCE)
    assert not [event for event in await told(bus) if isinstance(event, ErrorEvent)]
    # The request that only the lost state knew has ended.
    assert [(end.request_id, end.status) for end in await events(bus, EndEvent)] == [("cam:r1:2", "cancelled")]
    assert await bus.redis.hlen(bus.keys(SOURCE).open_requests) == 0


async def has_told(bus: Bus, count: int) -> bool:
    return len([event for event in await told(bus) if isinstance(event, DecisionEvent)]) >= count


@pytest.mark.parametrize("name", ["counters", "inflight", "decider_state", "run", "feedback"])
async def test_key_damaged_while_deciding(bus: Bus, name: str) -> None:
    await register(bus)
    await other_source(bus)
    sent = [await features(bus, seq) for seq in range(4)]
    others = [await of_other(bus, seq) for seq in range(2)]
    async with decider(bus):
        await send(bus, sent[0], others[0])
        await until(lambda: has_decided(bus, 1))
        await _as_text(name)(bus)
        await send(bus, *sent[1:], others[1])
        await until(lambda: has_told(bus, 2))
        await until(sound(lambda: has_seq(bus, 3)))
    errors = [event for event in await events(bus) if isinstance(event, ErrorEvent)]
    assert len(errors) == 1 and name in errors[0].message.replace("decider:", "decider_state:")
    decisions = [event.seq for event in await events(bus, DecisionEvent)]
    assert decisions == ([1, 2, 3] if name == "feedback" else [0, 1, 2, 3])


def sound(check: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    """A check that reads a damaged key until it is mended."""

    async def checked() -> bool:
        try:
            return await check()
        except ResponseError:
            return False

    return checked


async def has_seq(bus: Bus, seq: int) -> bool:
    return any(event.seq == seq for event in await events(bus, DecisionEvent))


@pytest.mark.parametrize("name", ["counters", "run", "inflight"])
async def test_damaged_run_starts_over(bus: Bus, settings: Settings, name: str) -> None:
    await add_source(bus, spec(PATTERN, SOURCE))
    await add_source(bus, spec(PATTERN, OTHER))
    await _as_text(name)(bus)
    async with capture(settings):
        await until(sound(is_state(bus, "ended", source_id=SOURCE)))
        await until(is_state(bus, "ended", source_id=OTHER))
    assert len(await events(bus, ErrorEvent)) == 1


async def test_damaged_source_can_be_removed(bus: Bus) -> None:
    await register(bus)
    for name in ("counters", "run", "inflight", "decider_state", "feedback"):
        await _as_text(name)(bus)
    assert await remove_source(bus, SOURCE)
    await register(bus)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))


async def test_unreadable_settings_cost_their_source_only(bus: Bus) -> None:
    await other_source(bus)
    await bus.redis.hset(bus.keys(SOURCE).sources, SOURCE, b"\xc1")
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await bus.redis.xadd(bus.keys(OTHER).features, {FIELD: pack(await of_other(bus, 0))})
        await until(lambda: has_told(bus, 1))
        await asyncio.sleep(0)
    assert await events(bus, DecisionEvent) == []


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "9" * 40, b"\xff"])
async def test_damaged_attempts_stop_no_decider(bus: Bus, value: str | bytes) -> None:
    """What a shared hash holds of one source's requests is that source's damage."""
    await register(bus, speak={"every_chunks": 1, "min_interval_s": 0, "deadline_s": 0.3})
    await other_source(bus)
    keys = bus.keys(SOURCE)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        await bus.redis.hset(keys.open_requests, "cam:r1:0", value)
        await send(bus, *[await features(bus, seq) for seq in (1, 2)], await of_other(bus, 0))
        await until(lambda: has_decided(bus, 3))
        await until(lambda: has_told(bus, 1))
        await until(lambda: has_ended(bus))
    (error,) = await events(bus, ErrorEvent)
    assert "could not be read" in error.message
    assert not [event for event in await told(bus) if isinstance(event, ErrorEvent)]
    assert int(await bus.scripts.run("attempt", [keys.open_requests], ["cam:r1:0"])) == 0


async def has_ended(bus: Bus) -> bool:
    return any(end.request_id == "cam:r1:0" for end in await events(bus, EndEvent))


async def test_damaged_attempt_begins_again(bus: Bus) -> None:
    key = bus.keys(SOURCE).open_requests
    await bus.redis.hset(key, "cam:r1:0", "many")
    assert int(await bus.scripts.run("attempt", [key], ["cam:r1:0"])) == 1
    assert int(await bus.scripts.run("attempt", [key], ["cam:r1:0"])) == 2


@pytest.mark.parametrize("value", ["many", "-1", "9" * 40])
async def test_damaged_incarnation_stops_no_source(bus: Bus, settings: Settings, value: str) -> None:
    await add_source(bus, spec(PATTERN, SOURCE))
    await bus.redis.hset(bus.keys(SOURCE).incarnations, SOURCE, value)
    async with capture(settings), decider(bus, "one"):
        await until(sound(is_state(bus, "ended", source_id=SOURCE)))
    assert await remove_source(bus, SOURCE)


async def test_unreadable_settings_are_told_once(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(PATTERN, OTHER))
    await bus.redis.hset(bus.keys(SOURCE).sources, SOURCE, b"\xc1")
    for _ in range(2):  # another capture process does not tell it again
        async with capture(settings):
            await until(is_state(bus, "failed", source_id=SOURCE))
            await until(is_state(bus, "ended", source_id=OTHER))
    (error,) = await events(bus, ErrorEvent)
    assert "remove the source and add it again" in error.message
