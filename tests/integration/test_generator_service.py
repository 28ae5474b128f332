"""Generator service on a real server: the text of a reply, its end, and the chunks it is about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np
import pytest

from cornerman_generator.hops import frames_of
from cornerman_generator.protocol import TextDelta
from cornerman_shared.aio import background
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.last_feedback import LastFeedback
from cornerman_shared.bus.messages import ChunkRef, DeltaEvent, ErrorEvent, Request, StartEvent
from cornerman_shared.clock import SystemClock
from cornerman_shared.errors import GenerationError
from tests.integration.generator_harness import ScriptedGenerator, ended, pause, request, send, settled, worker
from tests.integration.service_harness import SOURCE, counters, events
from tests.integration.waiting import PATIENCE_S, until, until_reading, until_true


def fail(error: Exception) -> Callable[[], Awaitable[None]]:
    async def raise_it() -> None:
        raise error

    return raise_it


async def test_request_is_answered_with_measured_times(bus: Bus) -> None:
    began_s = time.monotonic()
    async with worker(bus, ScriptedGenerator(pause(0.2), "Bend", pause(0.06), " your", pause(0.06), " knees.")):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
        await until(lambda: settled(bus))
    all_s = time.monotonic() - began_s
    start, *deltas, last = await events(bus)
    assert isinstance(start, StartEvent)
    assert (start.attempt, start.model, start.prompt) == (1, "script", "How is it?")
    assert [delta.text for delta in deltas] == ["Bend", " your", " knees."]
    assert last == end
    assert (end.status, end.text, end.silent, end.cause) == ("done", "Bend your knees.", False, "")
    assert (end.n_input_tokens, end.n_output_tokens) == (7, 3)
    assert 180 <= end.ttft_ms < all_s * 1000
    assert end.times.decided_at_s == 2.0
    assert 0.1 < end.times.done_at_s - end.times.first_token_at_s < all_s
    assert await counters(bus) == {"feedback": 1}
    last_feedback = LastFeedback.read(await bus.redis.hget(bus.keys(SOURCE).decider_state(SOURCE), "said"))
    assert last_feedback == LastFeedback("r1", "correct", 2.5, "Bend your knees.")


async def test_rate_and_frames_are_told(bus: Bus) -> None:
    shared = tuple(ChunkRef(seq, 2.5, frames, None, None, None) for seq, frames in ((2, (1.0, 1.5)), (3, (1.5, 2.0))))
    async with worker(bus, ScriptedGenerator(pause(0.1), "Bend", pause(0.2), " your", pause(0.2), " knees")):
        await send(bus, request(chunks=shared))
        (end,) = await until(lambda: ended(bus))
    times = end.times
    assert end.frame_pts_s == (1.0, 1.5, 2.0)
    assert frames_of(request(chunks=(ChunkRef(3, 2.0, (1.0, 1.0, 2.0), None, None, None),))) == (1.0, 1.0, 2.0)
    assert times.decided_at_s < times.started_at_s < times.first_token_at_s < times.last_token_at_s <= times.done_at_s
    assert end.tokens_per_s == pytest.approx(2 / (times.last_token_at_s - times.first_token_at_s), rel=0.1)


async def test_ttft_is_what_a_client_sees(bus: Bus) -> None:
    """The median error over five replies: a busy machine may hold up one of them."""
    seen: dict[str, float] = {}

    async def watch() -> None:
        async for _, event in bus.subscribe(SOURCE, since="0"):
            if isinstance(event, (StartEvent, DeltaEvent)):
                name = f"{event.request_id} {type(event).__name__}"
                seen.setdefault(name, time.monotonic())

    async with background(watch()), worker(bus, ScriptedGenerator(pause(0.4), "Bend", " down")):
        await until_reading(bus, 2)  # the subscriber, and the notes of the generator
        await send(bus, *(request(seq) for seq in range(5)))
        ends = await until(lambda: ended(bus, 5))
        await until_true(lambda: len(seen) == 10)
    errors = []
    for end in ends:
        outside_ms = (seen[f"{end.request_id} DeltaEvent"] - seen[f"{end.request_id} StartEvent"]) * 1000
        errors.append(abs(end.ttft_ms - outside_ms) / outside_ms)
    assert sorted(errors)[2] <= 0.05, errors


async def test_fast_text_is_gathered(bus: Bus) -> None:
    began_s = time.monotonic()
    async with worker(bus, ScriptedGenerator(*(f"w{i} " for i in range(300)), pause(0.05), "end")):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    all_s = time.monotonic() - began_s
    deltas = await events(bus, DeltaEvent)
    assert deltas[0].text == "w0 "
    assert len(deltas) < 10 + 30 * all_s  # thirty pieces a second
    assert len(deltas) < 150
    assert "".join(delta.text for delta in deltas) == end.text
    assert end.n_output_tokens == 301


@pytest.mark.parametrize("text", ["...", "bend your KNEES"])
async def test_silent_reply_writes_no_text(bus: Bus, text: str) -> None:
    async with worker(bus, ScriptedGenerator(*text)):
        await send(bus, request(previous_text="Bend your knees."))
        (end,) = await until(lambda: ended(bus))
    assert (end.status, end.silent, end.text, end.ttft_ms) == ("done", True, "", 0.0)
    assert await events(bus, DeltaEvent) == []
    assert await counters(bus) == {"feedback": 1}
    assert await bus.redis.hget(bus.keys(SOURCE).decider_state(SOURCE), "said") is None


async def test_answer_is_not_last_feedback(bus: Bus) -> None:
    async with worker(bus, ScriptedGenerator("...")):
        await send(bus, request(kind="question", request_id="cam:q:1"))
        (end,) = await until(lambda: ended(bus))
    assert (end.kind, end.text, end.silent) == ("question", "...", False)
    assert not await bus.redis.exists(bus.keys(SOURCE).decider_state(SOURCE))


async def test_failure_ends_request_with_cause(bus: Bus) -> None:
    async with worker(bus, ScriptedGenerator("Bend", pause(0.05), fail(GenerationError("out of memory")))):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
        await until(lambda: settled(bus))
    (error,) = await events(bus, ErrorEvent)
    assert (error.stage, error.message, error.request_id) == ("generator", "out of memory", "cam:r1:3")
    assert (end.status, end.cause, end.text) == ("failed", "out of memory", "Bend")
    assert await counters(bus) == {"errors": 1}


async def test_backend_defect_fails_only_request(bus: Bus) -> None:
    async with worker(bus, ScriptedGenerator(fail(ZeroDivisionError("oops")))):
        await send(bus, request(3), request(4))
        ends = await until(lambda: ended(bus, 2))
    assert {end.cause for end in ends} == {"ZeroDivisionError: oops"}
    assert await counters(bus) == {"errors": 2}


async def test_request_past_deadline_expires(bus: Bus) -> None:
    script = ScriptedGenerator("stale")
    async with worker(bus, script):
        await send(bus, request(deadline_at_s=SystemClock().now_s() - 1))
        (end,) = await until(lambda: ended(bus))
    assert (end.status, end.text) == ("expired", "")
    assert script.sent == 0
    assert await events(bus, StartEvent) == []
    assert await counters(bus) == {"expired": 1}


async def test_timeout_names_the_setting(bus: Bus) -> None:
    context_bus = bus.settings.model_copy(
        update={"generator": bus.settings.generator.model_copy(update={"timeout_s": 4.0})}
    )
    script = ScriptedGenerator("Bend", pause(3600))
    async with Bus.connect(context_bus) as short, worker(short, script):
        await send(bus, request())
        (end,) = await until(lambda: ended(bus))
    assert (end.status, end.text) == ("failed", "Bend")
    assert "generator.timeout_s = 4" in end.cause
    assert script.closed.is_set()


async def test_backend_gets_wanted_arrays(bus: Bus) -> None:
    keys = bus.keys(SOURCE)
    array = np.arange(8, dtype=np.float16).reshape(2, 4)
    refs = {kind: await bus.put_blob(keys.blob(SOURCE, "r1", 3, kind), array, 60) for kind in ("context", "video")}
    pixels = np.zeros((8, 2, 2, 3), np.uint8)
    frames = await bus.put_blob(keys.blob(SOURCE, "r1", 3, "frames"), pixels, 60)
    chunk = ChunkRef(3, 2.5, (2.5,), refs["context"], refs["video"], frames)
    tokens, frames_only = ScriptedGenerator("a", wants="tokens"), ScriptedGenerator("b", wants="frames")
    async with worker(bus, tokens):
        await send(bus, request(3, chunks=(chunk,)))
        await until(lambda: ended(bus))
    async with worker(bus, frames_only, name="g2"):
        await send(bus, request(4, chunks=(chunk,), owns_blobs=True))
        await until(lambda: ended(bus, 2))
    ((chunk_input,),) = tokens.inputs
    assert chunk_input.frames is None
    np.testing.assert_array_equal(chunk_input.context, array)
    np.testing.assert_array_equal(frames_only.inputs[0][0].frames, pixels)
    assert not [key async for key in bus.redis.scan_iter(match="*blob*")]  # the second request owned them


async def test_missing_chunks_fail_the_request(bus: Bus) -> None:
    keys = bus.keys(SOURCE)
    gone = await bus.put_blob(keys.blob(SOURCE, "r1", 3, "video"), np.zeros(1), 60)
    await bus.free_blobs([gone])
    async with worker(bus, ScriptedGenerator("a", wants="tokens")):
        await send(bus, request(3, chunks=(ChunkRef(3, 2.5, (2.5,), gone, gone, None),)))
        await send(bus, request(4, chunks=(), kind="question", request_id="cam:q:1"))
        ends = await until(lambda: ended(bus, 2))
    assert [end.status for end in ends] == ["failed", "failed"]
    assert "chunk 3 is gone" in ends[0].cause
    assert "nothing of source 'cam' has been seen" in ends[1].cause


async def test_concurrent_requests_fill_all_slots(bus: Bus) -> None:
    running, most, full = 0, 0, asyncio.Event()

    class Slow(ScriptedGenerator):
        async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 3:
                full.set()
            await asyncio.wait_for(full.wait(), PATIENCE_S)
            await asyncio.sleep(0.15)
            running -= 1
            yield TextDelta(request.request_id, 1)

    async with worker(bus, Slow(), concurrency=3):
        await send(bus, *[request(seq) for seq in range(7)])
        ends = await until(lambda: ended(bus, 7))
    assert most == 3
    assert sorted(end.text for end in ends) == [f"cam:r1:{seq}" for seq in range(7)]
    assert await counters(bus) == {"feedback": 7}
