"""Runs the capture service inside a test, and reads its output from the bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cornerman_capture.service import serve
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk
from cornerman_shared.bus.publish import credit_member
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.clock import Clock, SystemClock
from cornerman_shared.process.health import Health
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.source import SourceSpec, WatchSettings
from cornerman_shared.settings.tree import Settings

PATTERN = "test://pattern?fps=30&seconds=6&size=64x36"


CHUNKS = 11
"""Chunks of `PATTERN`: 6 s at 8 FPS with an overlap of 4."""


@asynccontextmanager
async def capture(
    settings: Settings, name: str = "c1", clock: Clock | None = None, bus: Bus | None = None
) -> AsyncIterator[Context]:
    """Runs the capture service with its own connections, unless given a bus; stops it at the end."""
    clock = clock or SystemClock()
    async with contextlib.nullcontext(bus) if bus else Bus.connect(settings, clock) as bus:
        context = Context(settings, bus, clock, name, Health("capture", name, clock), Metrics(), get_logger("capture"))
        async with asyncio.TaskGroup() as tasks:
            context._tasks = tasks
            tasks.create_task(serve(context))
            yield context
            context.stopping.set()


def spec(url: str = PATTERN, source_id: str = "cam1", **watch: object) -> SourceSpec:
    given = {"realtime": False, "lossless": True, "credit": 64, **watch}
    return SourceSpec(source_id=source_id, url=url, watch=WatchSettings.model_validate(given))


async def chunks(bus: Bus, source_id: str = "cam1") -> list[Chunk]:
    entries = await bus.redis.xrange(bus.keys(source_id).chunks)
    found = [unpack(fields[FIELD], Chunk) for _id, fields in entries]
    return [chunk for chunk in found if chunk.source_id == source_id]


async def state(bus: Bus, source_id: str = "cam1") -> str:
    return (await bus.redis.hget(bus.keys(source_id).run(source_id), "state") or b"").decode()


async def counters(bus: Bus, source_id: str = "cam1") -> dict[str, int]:
    rows = await bus.redis.hgetall(bus.keys(source_id).counters(source_id))
    return {name.decode(): int(count) for name, count in rows.items()}


def is_state(bus: Bus, *wanted: str, source_id: str = "cam1") -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await state(bus, source_id) in wanted

    return check


def has_chunks(bus: Bus, n: int, source_id: str = "cam1") -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(await chunks(bus, source_id)) >= n

    return check


async def give_back_credit(bus: Bus, source_id: str = "cam1") -> None:
    """Returns the credit of every chunk, as a decider does."""
    given = 0
    while True:
        for chunk in (await chunks(bus, source_id))[given:]:
            given += 1
            await bus.redis.zrem(bus.keys(source_id).inflight(source_id), credit_member(chunk.run, chunk.seq))
        await asyncio.sleep(0.01)
