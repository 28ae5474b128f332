"""A new instruction on a real server: it interrupts a running answer, which nothing of is left, and starts anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from cornerman_generator.protocol import TextDelta, Wants
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.last_feedback import LAST_FEEDBACK_FIELD
from cornerman_shared.bus.messages import DeltaEvent, EndEvent, ErrorEvent, Question, Request, StartEvent
from cornerman_shared.bus.registry import add_source, get_source, update_source
from cornerman_shared.bus.streams import FIELD
from tests.integration.decider_harness import decider, features, has_decided, register, requests, send
from tests.integration.generator_harness import worker
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.waiting import until

OLD, NEW = "Name every animal.", "Count the cars."


class SlowModel:
    """Streams a word every 20 ms without end; with `mute` it reads the prompt and never gets to words.

    Another instruction than the old one is answered at once.
    """

    model = "slow"
    wants: Wants = "nothing"

    def __init__(self, *, mute: bool = False) -> None:
        self.mute = mute
        self.begun: list[Request] = []
        self.stopped = asyncio.Event()

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        self.begun.append(request)
        if OLD not in request.prompt:
            yield TextDelta("One car.", 2, 7)
            return
        try:
            while True:
                if not self.mute:
                    yield TextDelta("zebra ", 1, 7)
                await asyncio.sleep(0.02)
        finally:
            self.stopped.set()

    async def close(self) -> None:
        return


async def watch(bus: Bus, strategy: str, mode: str = "commentary", **speak: float) -> None:
    settings = {"strategy": strategy, "every_chunks": 1, "min_interval_s": 60, **speak}
    await register(bus, mode=mode, speak=settings, say={"prompt": OLD})


async def instruct(bus: Bus, prompt: str = NEW) -> None:
    await update_source(bus, SOURCE, {"say": {"prompt": prompt}})


async def ends(bus: Bus, count: int) -> list[EndEvent]:
    found = await events(bus, EndEvent)
    return found if len(found) >= count else []


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("strategy", ["scene", "interval", "rules"])
async def test_instruction_takes_over_at_once(bus: Bus, strategy: str, mute: bool) -> None:
    await watch(bus, strategy)
    model = SlowModel(mute=mute)
    async with decider(bus), worker(bus, model, concurrency=1):
        await send(bus, await features(bus, 0))
        await until(lambda: events(bus, StartEvent) if mute else events(bus, DeltaEvent))
        await instruct(bus)
        # No other chunk comes, and the old answer would never end.
        old, new = await until(lambda: ends(bus, 2))
    assert model.stopped.is_set()
    assert (old.request_id, old.status, old.cause) == ("cam:r1:0", "cancelled", "a new instruction took its place")
    assert (new.request_id, new.status, new.text) == ("cam:r1:0:1", "done", "One car.")
    assert [NEW in request.prompt for request in model.begun] == [False, True]
    seen = [event for event in await events(bus) if isinstance(event, (DeltaEvent, EndEvent))]
    last_old = max(i for i, event in enumerate(seen) if event.request_id == old.request_id)
    assert isinstance(seen[last_old], EndEvent)  # nothing of the old answer after its end
    assert (await counters(bus))["cancelled"] == 1


async def test_nothing_of_the_old_comments_is_left(bus: Bus) -> None:
    await watch(bus, "scene", scene_threshold=0, min_interval_s=0, repeat_window_s=60)
    async with decider(bus), worker(bus, SlowModel()):
        await instruct(bus, "Describe the car.")
        await send(bus, await features(bus, 0))
        await until(lambda: ends(bus, 1))
        await send(bus, await features(bus, 1))
        await until(lambda: ends(bus, 2))
        await instruct(bus)
        await until(lambda: ends(bus, 3))
    made = await requests(bus)
    assert ['You said last: "One car."' in request.prompt for request in made] == [False, True, False]
    assert [request.previous_text for request in made] == ["", "One car.", ""]
    assert [chunk.seq for chunk in made[-1].chunks] == [1]
    # The same words are an answer again: they are the first under this instruction.
    assert not (await events(bus, EndEvent))[-1].silent


async def test_coach_is_not_made_to_speak(bus: Bus) -> None:
    await watch(bus, "rules", mode="coach", every_chunks=3)
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: has_decided(bus, 1))
        await bus.redis.hset(bus.keys(SOURCE).decider_state(SOURCE), LAST_FEEDBACK_FIELD, b"old")
        await instruct(bus)
        await until(lambda: _is_forgotten(bus))
        await send(bus, await features(bus, 1), await features(bus, 2))
        await until(lambda: has_decided(bus, 3))
    assert [(request.seq, request.prompt) for request in await requests(bus)] == [(2, NEW)]


async def _is_forgotten(bus: Bus) -> bool:
    return not await bus.redis.hexists(bus.keys(SOURCE).decider_state(SOURCE), LAST_FEEDBACK_FIELD)


async def test_broken_strategy_is_told_after_an_instruction(bus: Bus) -> None:
    await watch(bus, "scene")
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: requests(bus))
        nowhere = {"speak": {"strategy": "head", "head": "/nowhere"}, "say": {"prompt": NEW}}
        await update_source(bus, SOURCE, nowhere)
        await until(lambda: _count(bus, 2))  # the place of the interrupted answer is taken all the same
        await send(bus, await features(bus, 1))
        (error,) = await until(lambda: events(bus, ErrorEvent))
    assert "/nowhere" in error.message


async def test_other_changes_interrupt_nothing(bus: Bus) -> None:
    await watch(bus, "scene")
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: requests(bus))
        await update_source(bus, SOURCE, {"say": {"temperature": 0.5}, "speak": {"scene_threshold": 9.0}})
        await send(bus, await features(bus, 1))
        await until(lambda: has_decided(bus, 2))
    assert len(await requests(bus)) == 1
    assert not await events(bus, EndEvent)


async def test_question_survives_an_instruction(bus: Bus) -> None:
    await watch(bus, "scene")
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: requests(bus))
        await bus.ask(Question("q1", SOURCE, "What is it?", bus.clock.now_s()))
        await until(lambda: _count(bus, 2))
        await instruct(bus)
        await until(lambda: _count(bus, 3))
    assert [end.request_id for end in await events(bus, EndEvent)] == ["cam:r1:0"]
    assert [request.kind for request in await requests(bus)] == ["feedback", "question", "feedback"]


async def _count(bus: Bus, count: int) -> bool:
    return len(await requests(bus)) >= count


async def test_system_prompt_is_an_instruction_too(bus: Bus) -> None:
    await watch(bus, "scene")
    async with decider(bus):
        await send(bus, await features(bus, 0))
        await until(lambda: requests(bus))
        await update_source(bus, SOURCE, {"say": {"system_prompt": "Answer in verse."}})
        await until(lambda: _count(bus, 2))
    assert (await requests(bus))[-1].system_prompt == "Answer in verse."


async def test_several_instructions_leave_the_last(bus: Bus) -> None:
    await watch(bus, "scene")
    model = SlowModel()
    async with decider(bus), worker(bus, model):
        await send(bus, await features(bus, 0))
        await until(lambda: events(bus, DeltaEvent))
        for text in ("One.", "Two.", "Three."):
            await instruct(bus, f"{OLD} {text}")
        await until(lambda: _has_begun(model, "Three."))
        await instruct(bus)
        await until(lambda: _is_done(bus))
    ended = await events(bus, EndEvent)
    assert [end.status for end in ended[:-1]] == ["cancelled"] * (len(ended) - 1)
    assert not await bus.redis.hlen(bus.keys(SOURCE).open_requests)


async def _has_begun(model: SlowModel, text: str) -> bool:
    return any(text in request.prompt for request in model.begun)


async def _is_done(bus: Bus) -> bool:
    return any(end.status == "done" for end in await events(bus, EndEvent))


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_only_the_own_answer_is_interrupted(bus: Bus, concurrency: int) -> None:
    """Three sources on one generator; their answers are in work, or wait for the one slot."""
    model, names = SlowModel(), (SOURCE, "door", "yard")
    await watch(bus, "scene")
    spec = await get_source(bus, SOURCE)
    assert spec is not None
    for name in names[1:]:
        await add_source(bus, spec.model_copy(update={"source_id": name}))
    async with decider(bus), worker(bus, model, concurrency=concurrency):
        await send(bus, *[replace(await features(bus, 0), source_id=name) for name in names])
        await until(lambda: _count(bus, 3))
        await until(lambda: _have_begun(model, concurrency))
        await update_source(bus, "yard", {"say": {"prompt": NEW}})
        await until(lambda: _has_cancelled(bus, "yard"))
        assert [await _ends_of(bus, name) for name in names[:2]] == [[], []]
        for name in names[:2]:
            await update_source(bus, name, {"say": {"prompt": NEW}})
        await until(lambda: _all_done(bus, names))
    assert {request.source_id for request in model.begun if NEW in request.prompt} == set(names)


async def _have_begun(model: SlowModel, count: int) -> bool:
    return len(model.begun) >= count


async def _ends_of(bus: Bus, name: str) -> list[str]:
    rows = await bus.redis.xrange(bus.keys(name).feedback(name))
    found = [unpack_event(fields[FIELD]) for _, fields in rows]
    return [event.status for event in found if isinstance(event, EndEvent)]


async def _has_cancelled(bus: Bus, name: str) -> bool:
    return "cancelled" in await _ends_of(bus, name)


async def _all_done(bus: Bus, names: Sequence[str]) -> bool:
    return all([(await _ends_of(bus, name))[-1:] == ["done"] for name in names])
