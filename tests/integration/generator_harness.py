"""Runs generators in the test process, with back ends that follow a script, and reads the bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from cornerman_generator.echo import EchoGenerator
from cornerman_generator.protocol import Generator, TextDelta, Wants
from cornerman_generator.service import answer_loop
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ChunkRef, EndEvent, Request, Sampling, Times
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.process.runtime import Context
from tests.integration.service_harness import SOURCE, events, service_context
from tests.integration.waiting import PATIENCE_S


def context_for(bus: Bus, name: str, **generator: Any) -> Context:
    settings = bus.settings.model_copy(update={"generator": bus.settings.generator.model_copy(update=generator)})
    return service_context(bus, "generator", name, settings)


@contextlib.asynccontextmanager
async def worker(
    bus: Bus, generator: Generator | None = None, *, name: str = "g1", **settings: Any
) -> AsyncIterator[Context]:
    """Runs a generator in this process; leaving stops it as a signal would."""
    context = context_for(bus, name, **settings)
    task = asyncio.create_task(answer_loop(context, generator or EchoGenerator()))
    try:
        yield context
    finally:
        context.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)


def request(seq: int = 3, **changes: Any) -> Request:
    fields: dict[str, Any] = {
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
    return Request(**{**fields, **changes})


async def send(bus: Bus, *requests: Request) -> None:
    keys = bus.keys(SOURCE)
    for each in requests:
        await bus.redis.hset(keys.open_requests, each.request_id, 0)
        await bus.redis.xadd(keys.requests, {FIELD: pack(each)})


async def ended(bus: Bus, count: int = 1) -> list[EndEvent]:
    found = await events(bus, EndEvent)
    return found if len(found) >= count else []


async def settled(bus: Bus) -> bool:
    pending = await bus.redis.xpending(bus.keys(SOURCE).requests, "generator")
    return not pending["pending"] and not await bus.redis.hlen(bus.keys(SOURCE).open_requests)


class ScriptedGenerator:
    """Streams the given pieces; callables among them are awaited, and may wait or raise."""

    model = "script"

    def __init__(self, *steps: Any, wants: Wants = "nothing") -> None:
        self.steps = steps
        self.wants: Wants = wants
        self.inputs: list[Sequence[ChunkInput]] = []
        self.closed = asyncio.Event()
        self.sent = 0

    async def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        self.inputs.append(chunks)
        try:
            for step in self.steps:
                if isinstance(step, str):
                    self.sent += 1
                    yield TextDelta(step, 1, 7)
                else:
                    await step()
        finally:
            self.closed.set()

    async def close(self) -> None:
        return


class Latch:
    """A step that waits until the test opens it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self) -> None:
        await asyncio.wait_for(self.open.wait(), PATIENCE_S)


def pause(seconds: float) -> Callable[[], Awaitable[None]]:
    return lambda: asyncio.sleep(seconds)
