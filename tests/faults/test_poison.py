"""A chunk that kills the encoder's process natively is buried alone, before a launcher gives the role up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk, DeadLetter, DecisionEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.poisoned_encoder import POISON
from tests.faults.service_group import Service, ServiceGroup, events, finished

SOURCES = ("bad", "good1", "good2", "good3")
CHUNKS = 15
LAUNCHER_GIVES_UP = 5  # restarts of one role in a minute
FINISHED_S = 300

pytestmark = pytest.mark.timeout(2 * FINISHED_S)


@pytest.fixture
def group(own_server: Server, tmp_path: Path) -> Iterator[ServiceGroup]:
    group = ServiceGroup(own_server.url, tmp_path, 1, CORNERMAN_BUS__MAX_DELIVERIES="5")
    yield group
    group.stop()


def source(source_id: str) -> SourceSpec:
    return SourceSpec.model_validate(
        {
            "source_id": source_id,
            "url": f"test://pattern?fps=32&seconds={CHUNKS / 4:g}&size=64x48",
            "watch": {"sample_fps": 32, "overlap": 0, "lossless": True, "realtime": False, "credit": 8},
            "speak": {"strategy": "rules", "every_chunks": 5, "min_interval_s": 0.5},
        }
    )


async def test_deadly_chunk_is_buried_alone(own_server: Server, group: ServiceGroup) -> None:
    """It buried 7 chunks, 5 of them of other sources, and five restarts ended everything."""
    deaths = 0
    async with Bus.connect(load_settings({"redis": {"url": own_server.url}})) as bus:
        for source_id in SOURCES:
            await add_source(bus, source(source_id))
        group.start(capture=1, decider=1, generator=1)
        encoder = Service("encoder", 0, group.environment, group.folder / "e.log", "tests.faults.poisoned_encoder")
        group.services.append(encoder)
        async with asyncio.timeout(FINISHED_S):
            while not all([await finished(bus, source_id) for source_id in SOURCES]):
                if encoder.process.poll() is not None:
                    deaths += 1
                    encoder.kill()  # counts, so that the next one has another name
                    encoder.restart()
                await asyncio.sleep(0.1)
        decisions = [event for name in SOURCES for event in await events(bus, name) if isinstance(event, DecisionEvent)]
        letters = [unpack(fields[FIELD], DeadLetter) for _, fields in await bus.redis.xrange(bus.keys("bad").dead)]
    assert {(event.source_id, event.seq): event.status for event in decisions} == {
        (name, seq): "buried" if (name, seq) == POISON else "ok" for name in SOURCES for seq in range(CHUNKS)
    }
    assert len(decisions) == len(SOURCES) * CHUNKS
    assert [(unpack(each.body, Chunk).source_id, unpack(each.body, Chunk).seq) for each in letters] == [POISON]
    assert deaths == 3 < LAUNCHER_GIVES_UP  # once in its batch, twice alone
