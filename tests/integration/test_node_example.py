"""The Node example prints events that Python wrote."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cornerman_shared.bus.codec import to_plain
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import (
    DecisionEvent,
    DeltaEvent,
    EndEvent,
    ErrorEvent,
    Event,
    StartEvent,
    StateEvent,
    Times,
)
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server
from tests.integration.npm import install

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TIMES = Times(1000.25, 1000.5, 1000.75, 1001.0, 1001.25, 1001.5)
REQUEST = "cam1:r1:7"
EVENTS: list[Event] = [
    StateEvent("cam1", "r1", "playing", "30 FPS", 1000.0),
    DecisionEvent("cam1", "r1", 7, 0.875, "correct", 0.75, "motion 0.8", "rules", 0.5, "ok", TIMES),
    StartEvent("cam1", "r1", REQUEST, 1, "feedback", "correct", 0.875, "Was fällt auf?", "tiny", TIMES),
    *(DeltaEvent("cam1", "r1", REQUEST, 1, text, TIMES) for text in ("Knie ", "beugen", " 💪 日本")),
    EndEvent(
        "cam1", "r1", REQUEST, 1, "feedback", "correct", "done", 0.875, "Was fällt auf?", "Knie beugen 💪 日本", False,
        "", "tiny", 1250, 5, 250.5, TIMES,
    ),
    ErrorEvent("cam1", "r1", "generator", "out of memory", 1001.5, REQUEST),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Path:
    package = json.loads((EXAMPLES / "package.json").read_text(encoding="utf-8"))
    return install(package["dependencies"])


@asynccontextmanager
async def node(folder: Path, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """Standard output of the example."""
    shutil.copy(EXAMPLES / "subscribe.mjs", folder)
    process = await asyncio.create_subprocess_exec(
        "node", "subscribe.mjs", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def lines(out: asyncio.StreamReader, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        return [json.loads(await out.readline() or b'{"type": "the script ended"}') for _ in range(count)]


async def test_prints_kept_events_then_live_ones(bus: Bus, server: Server, folder: Path) -> None:
    ids = [await bus.emit(event) for event in EVENTS]
    async with node(folder, "cam1", str(server.socket)) as out:
        wanted = [{"id": entry_id, **to_plain(event)} for entry_id, event in zip(ids, EVENTS, strict=True)]
        assert await lines(out, len(EVENTS)) == wanted
        late = await bus.emit(EVENTS[3])
        assert await lines(out, 1) == [{"id": late, **to_plain(EVENTS[3])}]
    async with node(folder, "cam1", str(server.socket), ids[-1]) as out:
        assert [line["id"] for line in await lines(out, 1)] == [late]


async def test_finds_the_shard_of_a_source(server: Server, settings: Settings, folder: Path) -> None:
    sharded = settings.model_copy(update={"redis": settings.redis.model_copy(update={"shards": 7})})
    async with Bus.connect(sharded) as bus:
        await bus.ready(60)
        for source_id in ("cam1", "Küche"):
            await bus.redis.xadd(bus.keys(source_id).feedback(source_id), {"m": b"\x82\xa1v\x01\xa1t\xa1x"})
            async with node(folder, source_id, str(server.socket)) as out:
                assert [line["type"] for line in await lines(out, 1)] == ["x"]


async def test_survives_a_server_restart(own_bus: Bus, own_server: Server, folder: Path) -> None:
    await own_bus.emit(EVENTS[0])
    async with node(folder, "cam1", str(own_server.socket)) as out:
        assert [line["type"] for line in await lines(out, 1)] == ["state"]
        own_server.kill()
        own_server.start()
        await own_bus.ready(60)
        await own_bus.emit(EVENTS[1])
        assert [line["type"] for line in await lines(out, 1)] == ["decision"]
