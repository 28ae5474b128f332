"""The generator on a real server: exactly one end for each request, whatever happens to it, and no words but the
model's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from services.generator.core import Delta, Generator, Seen, Wants
from services.generator.echo import EchoGenerator
from services.generator.service import answer_for_ever
from services.said import Said
from shared.bus import Bus
from shared.clock import SystemClock
from shared.codec import pack, unpack_event
from shared.errors import GenerationError, RetryableError
from shared.health import Health
from shared.hop import Hop
from shared.logs import get_logger
from shared.messages import ChunkRef, DeltaEvent, EndEvent, ErrorEvent, Event, Request, Sampling, StartEvent, Times
from shared.metrics import Metrics
from shared.runtime import Context
from shared.say import start_attempt
from shared.streams import FIELD

SOURCE = "cam"


def context_for(bus: Bus, name: str, **generator: Any) -> Context:
    clock = SystemClock()
    given = bus.settings.generator.model_copy(update=generator)
    settings = bus.settings.model_copy(update={"generator": given})
    return Context(settings, bus, clock, name, Health("generator", name, clock), Metrics(), get_logger(name))


@contextlib.asynccontextmanager
async def worker(
    bus: Bus, generator: Generator | None = None, *, name: str = "g1", **settings: Any
) -> AsyncIterator[Context]:
    """A generator in this process; leaving stops it in order."""
    context = context_for(bus, name, **settings)
    task = asyncio.create_task(answer_for_ever(context, generator or EchoGenerator()))
    try:
        yield context
    finally:
        context.stopping.set()
        await asyncio.wait_for(task, 10)


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 10.0) -> Any:
    """Waits until `look()` gives something true."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


def request(seq: int = 3, **changes: Any) -> Request:
    given: dict[str, Any] = {
        "request_id": f"{SOURCE}:r1:{seq}",
        "source_id": SOURCE,
        "run": "r1",
        "seq": seq,
        "kind": "feedback",
        "action": "correct",
        "pts_s": 2.5,
        "prompt": "How is it?",
        "system_prompt": "",
        "previous_text": "",
        "chunks": (ChunkRef(seq, 2.5, (2.5,), None, None, None),),
        "sampling": Sampling(),
        "adapter": "",
        "deadline_at_s": 0.0,
        "owns_blobs": False,
        "times": Times(captured_at_s=1.0, decided_at_s=2.0),
    }
    return Request(**{**given, **changes})


async def send(bus: Bus, *requests: Request) -> None:
    keys = bus.keys(SOURCE)
    for each in requests:
        await bus.redis.hset(keys.open_requests, each.request_id, 0)
        await bus.redis.xadd(keys.requests, {FIELD: pack(each)})


async def events(bus: Bus, kind: type[Event] | None = None) -> list[Any]:
    rows = await bus.redis.xrange(bus.keys(SOURCE).feedback(SOURCE))
    found = [unpack_event(fields[FIELD]) for _, fields in rows]
    return [event for event in found if kind is None or isinstance(event, kind)]


async def ended(bus: Bus, count: int = 1) -> list[EndEvent]:
    found = await events(bus, EndEvent)
    return found if len(found) >= count else []


async def counters(bus: Bus) -> dict[str, int]:
    raw = await bus.redis.hgetall(bus.keys(SOURCE).counters(SOURCE))
    return {name.decode(): int(value) for name, value in raw.items()}


async def settled(bus: Bus) -> bool:
    pending = await bus.redis.xpending(bus.keys(SOURCE).requests, "generator")
    return not pending["pending"] and not await bus.redis.hlen(bus.keys(SOURCE).open_requests)


class Script:
    """Says the given pieces; what is callable in between is called and may wait or raise."""

    model = "script"

    def __init__(self, *steps: Any, wants: Wants = "nothing") -> None:
        self.steps = steps
        self.wants: Wants = wants
        self.seen: list[Sequence[Seen]] = []
        self.closed = asyncio.Event()
        self.said = 0

    async def generate(self, request: Request, chunks: Sequence[Seen]) -> AsyncIterator[Delta]:
        self.seen.append(chunks)
        try:
            for step in self.steps:
                if isinstance(step, str):
                    self.said += 1
                    yield Delta(step, 1, 7)
                else:
                    await step()
        finally:
            self.closed.set()

    async def close(self) -> None:
        return


def pause(seconds: float) -> Callable[[], Awaitable[None]]:
    return lambda: asyncio.sleep(seconds)


def fail(error: Exception) -> Callable[[], Awaitable[None]]:
    async def raise_it() -> None:
        raise error

    return raise_it


async def test_a_request_is_started_said_and_ended_once_with_measured_times(bus: Bus) -> None:
    async with worker(bus, Script(pause(0.2), "Bend", pause(0.06), " your", pause(0.06), " knees.")):
        await send(bus, request())
        (end,) = await eventually(lambda: ended(bus))
        await eventually(lambda: settled(bus))
    start, *deltas, last = await events(bus)
    assert isinstance(start, StartEvent)
    assert (start.attempt, start.model, start.prompt) == (1, "script", "How is it?")
    assert [delta.text for delta in deltas] == ["Bend", " your", " knees."]
    assert last == end
    assert (end.status, end.text, end.silent, end.cause) == ("done", "Bend your knees.", False, "")
    assert (end.n_input_tokens, end.n_output_tokens) == (7, 3)
    assert 180 <= end.ttft_ms < 1000
    assert end.times.decided_at_s == 2.0
    assert 0.1 < end.times.done_at_s - end.times.first_token_at_s < 2
    assert await counters(bus) == {"feedback": 1}
    said = Said.read(await bus.redis.hget(bus.keys(SOURCE).decider_state(SOURCE), "said"))
    assert said == Said("r1", "correct", 2.5, "Bend your knees.")


async def test_fast_text_is_gathered_but_its_first_piece_goes_at_once(bus: Bus) -> None:
    async with worker(bus, Script(*(f"w{i} " for i in range(300)), pause(0.05), "end")):
        await send(bus, request())
        (end,) = await eventually(lambda: ended(bus))
    deltas = await events(bus, DeltaEvent)
    assert deltas[0].text == "w0 "
    assert len(deltas) < 40
    assert "".join(delta.text for delta in deltas) == end.text
    assert end.n_output_tokens == 301


@pytest.mark.parametrize("text", ["...", "bend your KNEES"])
async def test_nothing_new_is_a_silent_end_without_a_word(bus: Bus, text: str) -> None:
    async with worker(bus, Script(*text)):
        await send(bus, request(previous_text="Bend your knees."))
        (end,) = await eventually(lambda: ended(bus))
    assert (end.status, end.silent, end.text, end.ttft_ms) == ("done", True, "", 0.0)
    assert await events(bus, DeltaEvent) == []
    assert await counters(bus) == {"feedback": 1}
    assert await bus.redis.hget(bus.keys(SOURCE).decider_state(SOURCE), "said") is None


async def test_an_answer_to_a_question_may_repeat_and_is_not_what_was_said_last(bus: Bus) -> None:
    async with worker(bus, Script("...")):
        await send(bus, request(kind="question", request_id="cam:q:1"))
        (end,) = await eventually(lambda: ended(bus))
    assert (end.kind, end.text, end.silent) == ("question", "...", False)
    assert not await bus.redis.exists(bus.keys(SOURCE).decider_state(SOURCE))


async def test_a_failure_is_told_with_its_cause_and_ends_the_request(bus: Bus) -> None:
    async with worker(bus, Script("Bend", pause(0.05), fail(GenerationError("out of memory")))):
        await send(bus, request())
        (end,) = await eventually(lambda: ended(bus))
        await eventually(lambda: settled(bus))
    (error,) = await events(bus, ErrorEvent)
    assert (error.stage, error.message, error.request_id) == ("generator", "out of memory", "cam:r1:3")
    assert (end.status, end.cause, end.text) == ("failed", "out of memory", "Bend")
    assert await counters(bus) == {"errors": 1}


async def test_a_bug_in_a_back_end_fails_its_request_and_not_the_process(bus: Bus) -> None:
    async with worker(bus, Script(fail(ZeroDivisionError("oops")))):
        await send(bus, request(3), request(4))
        ends = await eventually(lambda: ended(bus, 2))
    assert {end.cause for end in ends} == {"ZeroDivisionError: oops"}
    assert await counters(bus) == {"errors": 2}


async def test_a_request_past_its_deadline_ends_as_expired_without_a_word(bus: Bus) -> None:
    script = Script("stale")
    async with worker(bus, script):
        await send(bus, request(deadline_at_s=SystemClock().now_s() - 1))
        (end,) = await eventually(lambda: ended(bus))
    assert (end.status, end.text) == ("expired", "")
    assert script.said == 0
    assert await events(bus, StartEvent) == []
    assert await counters(bus) == {"expired": 1}


async def test_a_request_that_has_ended_already_is_settled_in_silence(bus: Bus) -> None:
    async with worker(bus):
        await bus.redis.xadd(bus.keys(SOURCE).requests, {FIELD: pack(request())})
        await eventually(lambda: _read(bus))
        await eventually(lambda: settled(bus))
    assert await events(bus) == []
    assert await counters(bus) == {}


async def _read(bus: Bus) -> bool:
    groups = await bus.redis.xinfo_groups(bus.keys(SOURCE).requests)
    return bool(groups and groups[0]["entries-read"])


async def test_cancelling_stops_the_model_at_its_next_word(bus: Bus) -> None:
    steps = [step for i in range(500) for step in (f"w{i} ", pause(0.01))]
    script = Script(*steps)
    async with worker(bus, script):
        await send(bus, request())
        await eventually(lambda: events(bus, DeltaEvent))
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")
        await asyncio.wait_for(script.closed.wait(), 1)
        await eventually(lambda: settled(bus))
    assert script.said < 100
    assert await events(bus, EndEvent) == []
    assert await counters(bus) == {}


async def test_a_newer_attempt_takes_over_and_the_older_one_neither_speaks_nor_ends_it(bus: Bus) -> None:
    script = Script(*[step for i in range(500) for step in (f"w{i} ", pause(0.01))])
    async with worker(bus, script):
        await send(bus, request())
        await eventually(lambda: events(bus, DeltaEvent))
        assert await start_attempt(bus, request()) == 2
        await asyncio.wait_for(script.closed.wait(), 1)
        await asyncio.sleep(0.1)
        assert await events(bus, EndEvent) == []
        pending = await bus.redis.xpending(bus.keys(SOURCE).requests, "generator")
        assert pending["pending"] == 1  # not acknowledged: it is the newer attempt's to settle
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")


async def test_a_request_that_takes_too_long_fails_with_the_setting_named(bus: Bus) -> None:
    context_bus = bus.settings.model_copy(
        update={"generator": bus.settings.generator.model_copy(update={"timeout_s": 0.3})}
    )
    script = Script("Bend", pause(30))
    async with Bus.connect(context_bus) as short, worker(short, script):
        await send(bus, request())
        (end,) = await eventually(lambda: ended(bus))
    assert (end.status, end.text) == ("failed", "Bend")
    assert "generator.timeout_s = 0.3" in end.cause
    assert script.closed.is_set()


async def test_chunks_are_fetched_as_the_back_end_wants_them(bus: Bus) -> None:
    keys = bus.keys(SOURCE)
    array = np.arange(8, dtype=np.float16).reshape(2, 4)
    refs = {what: await bus.put_blob(keys.blob(SOURCE, "r1", 3, what), array, 60) for what in ("context", "video")}
    pixels = np.zeros((8, 2, 2, 3), np.uint8)
    frames = await bus.put_blob(keys.blob(SOURCE, "r1", 3, "frames"), pixels, 60)
    chunk = ChunkRef(3, 2.5, (2.5,), refs["context"], refs["video"], frames)
    tokens, looks = Script("a", wants="tokens"), Script("b", wants="frames")
    async with worker(bus, tokens):
        await send(bus, request(3, chunks=(chunk,)))
        await eventually(lambda: ended(bus))
    async with worker(bus, looks, name="g2"):
        await send(bus, request(4, chunks=(chunk,), owns_blobs=True))
        await eventually(lambda: ended(bus, 2))
    ((seen,),) = tokens.seen
    assert seen.frames is None
    np.testing.assert_array_equal(seen.context, array)
    np.testing.assert_array_equal(looks.seen[0][0].frames, pixels)
    assert not [key async for key in bus.redis.scan_iter(match="*blob*")]  # the second request owned them


async def test_chunks_that_are_gone_and_nothing_seen_yet_are_failures(bus: Bus) -> None:
    keys = bus.keys(SOURCE)
    gone = await bus.put_blob(keys.blob(SOURCE, "r1", 3, "video"), np.zeros(1), 60)
    await bus.free_blobs([gone])
    async with worker(bus, Script("a", wants="tokens")):
        await send(bus, request(3, chunks=(ChunkRef(3, 2.5, (2.5,), gone, gone, None),)))
        await send(bus, request(4, chunks=(), kind="question", request_id="cam:q:1"))
        ends = await eventually(lambda: ended(bus, 2))
    assert [end.status for end in ends] == ["failed", "failed"]
    assert "chunk 3 is gone" in ends[0].cause
    assert "nothing of source 'cam' has been seen" in ends[1].cause


async def test_as_many_requests_at_once_as_there_are_slots(bus: Bus) -> None:
    running, most = 0, 0

    class Slow(Script):
        async def generate(self, request: Request, chunks: Sequence[Seen]) -> AsyncIterator[Delta]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.15)
            running -= 1
            yield Delta(request.request_id, 1)

    async with worker(bus, Slow(), concurrency=3):
        await send(bus, *[request(seq) for seq in range(7)])
        ends = await eventually(lambda: ended(bus, 7))
    assert most == 3
    assert sorted(end.text for end in ends) == [f"cam:r1:{seq}" for seq in range(7)]
    assert await counters(bus) == {"feedback": 7}


async def test_what_a_dead_generator_had_in_hand_is_said_by_another_from_the_beginning(bus: Bus) -> None:
    await send(bus, request())
    async with Bus.connect(bus.settings) as own:
        context = context_for(own, "dead")
        slow = Script("Half a ", pause(30))
        task = asyncio.create_task(answer_for_ever(context, slow))
        await eventually(lambda: events(bus, DeltaEvent))
        task.cancel()
        await asyncio.wait([task])
    async with worker(bus, Script("Whole."), name="g2"):
        (end,) = await eventually(lambda: ended(bus))
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
        (end,) = await eventually(lambda: ended(bus))
    assert end.status == "failed"
    assert "generators died on it" in end.cause
    assert await bus.redis.xlen(keys.dead) == 1
    assert await counters(bus) == {"errors": 1}


async def test_a_lost_answer_of_the_server_neither_loses_nor_doubles_a_word(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third piece is written, but the answer is lost: nobody can know whether it was."""
    from services.generator import speech

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
        (end,) = await eventually(lambda: ended(bus))
    assert end.text == "".join(words)
    last = max(start.attempt for start in await events(bus, StartEvent))
    assert last > 1
    assert end.attempt == last
    heard = "".join(delta.text for delta in await events(bus, DeltaEvent) if delta.attempt == last)
    assert heard == end.text
    assert await counters(bus) == {"feedback": 1}


async def test_stopping_finishes_what_is_being_said_and_hands_over_the_rest(bus: Bus) -> None:
    script = Script("Half", pause(0.3), " and whole.")
    await send(bus, request(3), request(4))
    async with worker(bus, script):
        await eventually(lambda: events(bus, DeltaEvent))
    (end,) = await ended(bus)
    assert end.text == "Half and whole."
    async with worker(bus, Script("Other."), name="g2"):
        ends = await eventually(lambda: ended(bus, 2))
    assert [end.text for end in ends] == ["Half and whole.", "Other."]


async def test_an_end_comes_once_even_when_somebody_else_ends_the_request_meanwhile(bus: Bus) -> None:
    keys = bus.keys(SOURCE)

    async def expire() -> None:
        await Hop().once(keys.open_requests, "cam:r1:3").count(keys.counters(SOURCE), "expired").run(bus.scripts)

    async with worker(bus, Script("Word", expire)):
        await send(bus, request())
        await eventually(lambda: counters(bus))
        await eventually(lambda: settled(bus))
    assert await events(bus, EndEvent) == []
    assert await counters(bus) == {"expired": 1}
