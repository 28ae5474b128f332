"""Work that stops: the worker says why and ends, its entries move on, and a stalled request fails with its cause."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cornerman_decider.state import DeciderState
from cornerman_decider.strategies.interval import IntervalStrategy
from cornerman_decider.strategies.llm import LlmStrategy
from cornerman_decider.strategy_runner import StrategyRunner
from cornerman_encoder.fake import FakeEncoder
from cornerman_encoder.service import EncoderWorker
from cornerman_generator import request_worker
from cornerman_generator.echo import EchoGenerator
from cornerman_generator.protocol import TextDelta, Wants
from cornerman_generator.service import answer_loop
from cornerman_generator.threads import in_thread
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeltaEvent, Request
from cornerman_shared.errors import FatalError
from cornerman_shared.process.metrics import Metrics
from tests.integration import decider_harness, test_encoder_service
from tests.integration.generator_harness import context_for, ended, request, send, settled, worker
from tests.integration.service_harness import SOURCE, events, service_context
from tests.integration.test_decider_strategy_runner import SPEC, OneStrategy, SilentModel
from tests.integration.waiting import PATIENCE_S, until, until_true


def changed(bus: Bus, section: str, **values: Any) -> Any:
    """Settings of the bus with other values in one section."""
    return bus.settings.model_copy(update={section: getattr(bus.settings, section).model_copy(update=values)})


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """Ends the threads that hang on it after the test."""
    event = threading.Event()
    yield event
    event.set()


async def first_error(work: asyncio.Task[None]) -> BaseException:
    """The innermost error of a service that ends by itself."""
    with contextlib.suppress(BaseException):
        await asyncio.wait_for(asyncio.shield(work), PATIENCE_S)
    error: BaseException | None = work.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert error is not None
    return error


async def test_hanging_batch_moves_to_another_encoder(bus: Bus, stuck: threading.Event) -> None:
    limited = changed(bus, "encoder", batch=4, first_batch_s=0.3)
    hanging = EncoderWorker(
        service_context(bus, "encoder", "e1", limited), FakeEncoder(hang_at=1, hang=lambda: stuck.wait(PATIENCE_S))
    )
    sent = [await test_encoder_service.chunk(bus, seq) for seq in range(8)]
    await test_encoder_service.send(bus, *sent)
    error = await first_error(asyncio.create_task(hanging.run()))
    assert isinstance(error, FatalError) and "encoder.first_batch_s = 0.3 s" in str(error)
    began_s = time.monotonic()
    async with test_encoder_service.worker(bus, name="e2"):
        found = await until(lambda: test_encoder_service.has(bus, 8))
    assert time.monotonic() - began_s < 2 + PATIENCE_S / 10  # 2 s are promised; the rest is for a busy machine
    assert sorted(one.seq for one in found) == list(range(8))
    assert {one.status for one in found} == {"ok"}


async def test_hanging_encoder_process_exits(bus: Bus, tmp_path: Path) -> None:
    flags = ["--redis", bus.url, "--name", "e1", "--set", f"runtime.dir={tmp_path}"]
    flags += ["--set", "encoder.fake_hang_at=1", "--set", "encoder.first_batch_s=0.3"]
    await test_encoder_service.send(bus, await test_encoder_service.chunk(bus, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cornerman_encoder", *flags, stderr=asyncio.subprocess.PIPE
    )
    _, logged = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 70
    assert b"encoder.first_batch_s = 0.3 s" in logged


async def test_later_batch_has_its_own_limit(bus: Bus, stuck: threading.Event) -> None:
    limited = changed(bus, "encoder", batch=1, batch_s=0.3)
    hanging = EncoderWorker(
        service_context(bus, "encoder", "e1", limited), FakeEncoder(hang_at=2, hang=lambda: stuck.wait(PATIENCE_S))
    )
    await test_encoder_service.send(bus, *[await test_encoder_service.chunk(bus, seq) for seq in range(2)])
    error = await first_error(asyncio.create_task(hanging.run()))
    assert "encoder.batch_s = 0.3 s" in str(error)


async def test_stalled_request_fails_and_frees_its_slot(bus: Bus) -> None:
    slow = changed(bus, "generator", stall_s=1.0)
    async with Bus.connect(slow) as short, worker(short, EchoGenerator(hang_at=1)):
        await send(bus, request(3), request(4))
        ends = await until(lambda: ended(bus, 2))
        await until(lambda: settled(bus))
    assert [(end.request_id, end.status) for end in ends] == [("cam:r1:3", "failed"), ("cam:r1:4", "done")]
    assert "generator.stall_s = 1 s" in ends[0].cause


class HangingThread:
    """A back end whose thread hangs after its first word and ignores its cancellation."""

    model = "hangs"
    wants: Wants = "nothing"

    def __init__(self, stuck: threading.Event) -> None:
        self._stuck = stuck
        self._pool = ThreadPoolExecutor(1)
        self.cancel = threading.Event()

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        def compute(cancel: threading.Event) -> Iterator[TextDelta]:
            self.cancel = cancel
            yield TextDelta("Bend", 1)
            self._stuck.wait(PATIENCE_S)

        return in_thread(compute, self._pool)

    async def close(self) -> None:
        self._pool.shutdown(wait=False)


async def test_hanging_thread_ends_its_process(
    bus: Bus, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_worker, "CLOSE_S", 0.1)  # far below `stall_s`, as in production
    async with Bus.connect(changed(bus, "generator", stall_s=2.0)) as short:
        hanging = asyncio.create_task(answer_loop(context_for(short, "g1"), HangingThread(stuck)))
        await send(bus, request(3), request(4))
        (end,) = await until(lambda: ended(bus))
        assert (end.status, end.text) == ("failed", "Bend")
        error = await first_error(hanging)
        assert isinstance(error, FatalError) and "did not stop" in str(error)
    async with worker(bus, name="g2"):
        ends = await until(lambda: ended(bus, 2))
    assert [(one.request_id, one.status) for one in ends] == [("cam:r1:3", "failed"), ("cam:r1:4", "done")]
    stuck.set()


async def test_hanging_cancelled_request_takes_no_other(bus: Bus, stuck: threading.Event) -> None:
    """An instruction takes the place of a hanging answer: the next request went to the same generator, and waited."""
    async with Bus.connect(changed(bus, "generator", stall_s=PATIENCE_S)) as short:
        context, hanging = context_for(short, "g1"), HangingThread(stuck)
        task = asyncio.create_task(answer_loop(context, hanging))
        await send(bus, request(3))
        await until(lambda: events(bus, DeltaEvent))
        await bus.redis.hdel(bus.keys(SOURCE).open_requests, "cam:r1:3")
        await until_true(lambda: hanging.cancel.is_set())
        await send(bus, request(4))
        await asyncio.sleep(0.3)  # g1 would take it
        async with worker(bus, name="g2"):
            (end,) = await until(lambda: ended(bus))
            assert (end.request_id, end.status) == ("cam:r1:4", "done")
            stuck.set()
            await until(lambda: settled(bus))
        context.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def test_hanging_strategy_ends_its_process(bus: Bus, stuck: threading.Event) -> None:
    class Stuck(SilentModel):
        def append_chunk(self, tokens: Any) -> Any:
            stuck.wait(PATIENCE_S)
            return super().append_chunk(tokens)

    features = await decider_harness.features(bus, 0)
    async with Bus.connect(changed(bus, "decider", stall_s=0.3)) as short:
        runner = StrategyRunner(short, OneStrategy(bus, LlmStrategy(Stuck(0), "p")), Metrics())
        with pytest.raises(FatalError, match=r"decider\.stall_s = 0\.3 s"):
            await runner.decide(SPEC, features, DeciderState(run="r1"))
    stuck.set()


async def test_defect_of_a_strategy_pauses_it(bus: Bus) -> None:
    class Defect(IntervalStrategy):
        calls = 0

        def propose(self, *args: Any) -> Any:
            Defect.calls += 1
            raise ZeroDivisionError("oops")

    spec = replace_strategy("interval")
    runner = StrategyRunner(bus, OneStrategy(bus, Defect(1.0)), Metrics())
    features = [await decider_harness.features(bus, seq) for seq in range(3)]
    state, errors = DeciderState(run="r1"), []
    for one in features:
        decision, error = await runner.decide(spec, replace(one), state)
        state = decision.state
        errors.append(error)
        assert (decision.action, decision.reason) == ("next", "strategy_failed")
    assert errors == ["strategy interval is paused for 30 s: ZeroDivisionError: oops", "", ""]
    assert Defect.calls == 1


def replace_strategy(name: str) -> Any:
    """The source's settings with another strategy."""
    return SPEC.model_copy(update={"speak": SPEC.speak.model_copy(update={"strategy": name})})
