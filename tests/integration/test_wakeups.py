"""Notes instead of polls: a changed source and an ended request are noticed at once. Polls take an hour here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cornerman_decider.service import decide_loop
from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import EndEvent, StartEvent
from cornerman_shared.bus.registry import add_source, remove_source, update_source
from cornerman_shared.bus.streams import NOTE_ENDED, NOTE_SOURCE, Keys
from cornerman_shared.bus.wakeups import MOST, Wakeups, named
from cornerman_shared.settings.source import SourceSpec
from tests.integration.decider_harness import features, register, send
from tests.integration.generator_harness import worker
from tests.integration.service_harness import SOURCE, events, service_context
from tests.integration.test_new_instruction import NEW, OLD, SlowModel
from tests.integration.waiting import PATIENCE_S, until, until_reading

HOUR_S = 3600.0


@asynccontextmanager
async def listening(bus: Bus, shards: list[Keys], readers: int) -> AsyncIterator[Wakeups]:
    notes = Wakeups(bus, shards)
    async with background(notes.listen()):
        await until_reading(bus, readers)
        yield notes


async def collect(notes: Wakeups, count: int) -> set[str]:
    heard: set[str] = set()
    while len(heard) < count:
        found = await notes.take(PATIENCE_S)
        assert found, f"only {heard} within {PATIENCE_S:g} s"
        heard |= found
    return heard


@asynccontextmanager
async def without_polls(bus: Bus, model: SlowModel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A decider and a generator that look only when they are told to, with a source in the middle of an answer."""
    monkeypatch.setattr("cornerman_generator.request_worker.TICK_S", HOUR_S)
    rare = bus.settings.bus.model_copy(update={"sources_poll_s": HOUR_S})
    context = service_context(bus, "decider", "d1", bus.settings.model_copy(update={"bus": rare}))
    await register(bus, mode="commentary", speak={"strategy": "scene", "min_interval_s": 60}, say={"prompt": OLD})
    deciding = asyncio.create_task(decide_loop(context))
    try:
        async with worker(bus, model, concurrency=1):
            await send(bus, await features(bus, 0))
            await until(lambda: events(bus, StartEvent))
            await until_reading(bus, 2)
            yield
            context.stopping.set()
            await asyncio.wait_for(deciding, PATIENCE_S)
    finally:
        deciding.cancel()


@pytest.mark.parametrize("mute", [False, True])
async def test_instruction_waits_for_no_poll(bus: Bus, monkeypatch: pytest.MonkeyPatch, mute: bool) -> None:
    model = SlowModel(mute=mute)
    async with without_polls(bus, model, monkeypatch):
        await update_source(bus, SOURCE, {"say": {"prompt": NEW}})
        await until(lambda: _done(bus))
        assert model.stopped.is_set()


async def _done(bus: Bus) -> bool:
    return [end.status for end in await events(bus, EndEvent)] == ["cancelled", "done"]


async def test_removal_stops_an_answer(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SlowModel(mute=True)
    async with without_polls(bus, model, monkeypatch):
        await remove_source(bus, SOURCE)
        await asyncio.wait_for(model.stopped.wait(), PATIENCE_S)


CHANGES: dict[str, Callable[[Bus], Awaitable[object]]] = {
    "change": lambda bus: update_source(bus, "cam", {"paused": True}),
    "replace": lambda bus: update_source(bus, "cam", {"url": "test://other"}),
    "remove": lambda bus: remove_source(bus, "cam"),
}


@pytest.mark.parametrize("verb", CHANGES)
async def test_registry_names_the_changed_source(bus: Bus, verb: str) -> None:
    await add_source(bus, SourceSpec(source_id="cam", url="test://"))
    await bus.redis.hset(bus.keys("cam").open_requests, "cam:r1:0", 0)
    async with listening(bus, bus.all_keys(), 1) as notes:
        await CHANGES[verb](bus)
        heard = await collect(notes, 1 if verb == "change" else 2)
    assert named(heard, NOTE_SOURCE) == {"cam"}
    assert named(heard, NOTE_ENDED) == (set() if verb == "change" else {"cam:r1:0"})


async def test_notes_survive_a_key_of_another_type(bus: Bus) -> None:
    keys = bus.keys("cam")
    await bus.redis.set(keys.wakeups, "of somebody else")
    await add_source(bus, SourceSpec(source_id="cam", url="test://"))
    await Hop().wake(keys, "lost").set(keys.run("cam"), "run", "r1").run(bus.scripts)
    assert await bus.redis.get(keys.wakeups) == b"of somebody else"
    assert await bus.redis.hget(keys.run("cam"), "run") == b"r1"
    notes = Wakeups(bus, [keys])
    async with background(notes.listen()):
        await bus.redis.delete(keys.wakeups)
        await until_reading(bus)
        await Hop().wake(keys, "heard").run(bus.scripts)
        assert await collect(notes, 1) == {"heard"}


async def test_waiting_notes_are_bounded(bus: Bus) -> None:
    notes = Wakeups(bus, bus.all_keys())
    for number in range(MOST + 5):
        notes._hear(f"{number}")
    assert len(await notes.take(0)) == MOST
    assert await notes.take(0) == set()
