"""A live source that is removed and added again while processes are killed: each time it begins at nothing, once."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent
from cornerman_shared.bus.registry import add_source, remove_source
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.service_group import ServiceGroup, events

TIMES = 60 if os.environ.get("CORNERMAN_FAULTS") == "long" else 4
PATIENCE_S = 300.0

pytestmark = pytest.mark.timeout(TIMES * PATIENCE_S)

CAMERA = SourceSpec.model_validate(
    {
        "source_id": "ring",
        "url": "test://pattern?fps=32&seconds=0&size=64x48",
        "watch": {"sample_fps": 32, "overlap": 0, "credit": 8},
        "speak": {"strategy": "rules", "every_chunks": 5, "min_interval_s": 0.5},
    }
)


@pytest.fixture
def group(own_server: Server, tmp_path: Path) -> Iterator[ServiceGroup]:
    seed = int(os.environ.get("CORNERMAN_SEED") or secrets.randbelow(1_000_000))
    print(f"CORNERMAN_SEED={seed}")
    group = ServiceGroup(own_server.url, tmp_path, seed)
    yield group
    group.stop()


async def decisions(bus: Bus) -> dict[int, list[DecisionEvent]]:
    """By incarnation, in the order of their events."""
    found: dict[int, list[DecisionEvent]] = {}
    for event in await events(bus, "ring"):
        if isinstance(event, DecisionEvent):
            found.setdefault(event.incarnation, []).append(event)
    return found


async def test_replaced_source_begins_once(own_server: Server, group: ServiceGroup) -> None:
    numbers = []
    async with Bus.connect(load_settings({"redis": {"url": own_server.url}})) as bus:
        await bus.ready(60)
        group.start(capture=2, encoder=2, decider=2, generator=1)
        for _ in range(TIMES):
            await add_source(bus, CAMERA)
            numbers.append(int(await bus.redis.hget(bus.keys("ring").incarnations, "ring")))
            async with asyncio.timeout(PATIENCE_S):
                while len((await decisions(bus)).get(numbers[-1], [])) < 3:
                    group.revive()
                    await asyncio.sleep(0.05)
            if group.random.random() < 0.5:
                group.kill_one()
            await remove_source(bus, "ring")
            await asyncio.sleep(group.random.choice([0.0, 0.12, 0.3]))
        found = await decisions(bus)
        dead = await bus.redis.xlen(bus.keys("ring").dead)
        still_open = await bus.redis.hkeys(bus.keys("ring").open_requests)
    assert list(found) == numbers
    for decided in found.values():
        seqs = [seq for event in decided for seq in range(event.seq, event.seq + event.n_chunks)]
        assert seqs == list(range(len(seqs)))
        assert len({event.run for event in decided}) == 1
    assert (dead, still_open) == (0, [])
