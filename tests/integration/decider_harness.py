"""Runs deciders in the test process, sends them features, and reads the bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from cornerman_decider.service import decide_loop
from cornerman_shared.bus.codec import pack, unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import (
    DecisionEvent,
    Features,
    FeatureStatus,
    Request,
    Times,
)
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.source import SourceSpec
from tests.integration.service_harness import SOURCE, events, service_context
from tests.integration.waiting import PATIENCE_S


@contextlib.asynccontextmanager
async def decider(bus: Bus, name: str = "d1") -> AsyncIterator[Context]:
    """Runs a decider in this process; leaving stops it as a signal would."""
    context = service_context(bus, "decider", name)
    task = asyncio.create_task(decide_loop(context))
    try:
        yield context
    finally:
        context.stopping.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def register(bus: Bus, **changes: Any) -> SourceSpec:
    """Registers the source. Unless a test says so, no chunk is skipped as late and no request expires."""
    patient = {"strategy": "rules", "every_chunks": 1000, "gap_s": PATIENCE_S, "deadline_s": 0}
    speak = {**patient, **changes.pop("speak", {})}
    spec = SourceSpec(source_id=SOURCE, url="test://", speak=speak, **changes)
    await add_source(bus, spec)
    return spec


async def features(
    bus: Bus, seq: int, *, run: str = "r1", lossless: bool = False, status: FeatureStatus = "ok"
) -> Features:
    """Makes features with a blob on the bus and one credit in use."""
    keys = bus.keys(SOURCE)
    video = None
    if status == "ok":
        video = await bus.put_blob(keys.blob(SOURCE, run, seq, "video"), np.zeros((2, 4), np.float16), 60)
    if status != "end":
        await bus.redis.zadd(keys.inflight(SOURCE), {f"{run}:{seq}": 1.0})
    return Features(
        source_id=SOURCE,
        run=run,
        seq=seq,
        pts_s=seq * 0.5,
        motion=0.0,
        lossless=lossless,
        status=status,
        vector=np.zeros(4, np.float32),
        context=None,
        video=video,
        frames=None,
        frame_pts_s=tuple(seq * 0.5 + i / 8 for i in range(8)),
        model="fake",
        times=Times(captured_at_s=bus.clock.now_s()),
    )


async def send(bus: Bus, *messages: Features) -> None:
    for message in messages:
        await bus.redis.xadd(bus.keys(SOURCE).features, {FIELD: pack(message)})


async def decided(bus: Bus) -> list[int]:
    return [event.seq for event in await events(bus, DecisionEvent)]


async def requests(bus: Bus) -> list[Request]:
    rows = await bus.redis.xrange(bus.keys(SOURCE).requests)
    return [unpack(fields[FIELD], Request) for _, fields in rows]


async def has_decided(bus: Bus, count: int) -> bool:
    return len(await decided(bus)) >= count


async def credit_is_back(bus: Bus) -> bool:
    pending = await bus.redis.xpending(bus.keys(SOURCE).features, "decider")
    return not pending["pending"] and not await bus.redis.zcard(bus.keys(SOURCE).inflight(SOURCE))
