"""Every chunk is decided once and every request ends once, through fail-overs of a cluster and of sentinels.

A fail-over may lose writes that were acknowledged: the surviving history is whole, and what was lost is told. `make
faults` runs the long form; the seed is printed, and CORNERMAN_SEED repeats it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.settings.tree import load_settings
from tests.faults.ring import CHUNKS, FINISHED_S, LONG, decided, source, verify
from tests.faults.service_group import ServiceGroup, counters, events, wait_finished
from tests.several_servers import Cluster, Sentinels, Servers, running

ROUNDS = 6 if LONG else 1
MANY = CHUNKS if LONG else 80
SHARDS = 4
LOST = 10
"""Chunks decided between a cut of the replication and the master's death."""

pytestmark = pytest.mark.timeout(2 * FINISHED_S)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    with running(cluster):
        yield cluster


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path)
    with running(sentinels):
        yield sentinels


class Watched:
    """The source under load, with services that work on it."""

    def __init__(self, bus: Bus, group: ServiceGroup) -> None:
        self.bus = bus
        self.group = group
        self.slot = key_slot(bus.keys("ring").chunks.encode())

    async def begin(self) -> None:
        await self.bus.ready(60)
        await add_source(self.bus, source(MANY))
        self.group.start(capture=1, encoder=2, decider=2, generator=1)

    async def reached(self, part: float) -> None:
        """Waits until this part of the chunks is decided."""
        await decided(self.bus, self.group, int(part * MANY))

    async def lost_if_killed(self) -> None:
        """Waits, once the replica is cut off, until a number of chunks are decided of which it will know nothing."""
        await decided(self.bus, self.group, (await counters(self.bus, "ring"))["decided"] + LOST)

    async def verify(self) -> None:
        await wait_finished(self.bus, "ring", self.group, FINISHED_S)
        print(await verify(self.bus, MANY), await self.told())
        assert self.group.exits == []

    async def told(self) -> list[str]:
        """Messages of the source's error events: what was lost, by number."""
        return [event.message for event in await events(self.bus, "ring") if isinstance(event, ErrorEvent)]


@pytest.fixture
async def watched(request: pytest.FixtureRequest, tmp_path: Path, seed: int) -> AsyncIterator[Watched]:
    servers: Cluster | Sentinels = request.getfixturevalue(request.param)
    environment = {
        "CORNERMAN_REDIS__SHARDS": str(SHARDS),
        "CORNERMAN_ENCODER__FAKE_DELAY_MS": "60",
        "CORNERMAN_ENCODER__BATCH": "1",
    }
    group = ServiceGroup(servers.url, tmp_path, seed, **environment)
    async with Bus.connect(load_settings({"redis": {"url": servers.url, "shards": SHARDS}})) as bus:
        watched = Watched(bus, group)
        await watched.begin()
        yield watched
        await asyncio.to_thread(group.stop)


async def promoted(servers: Servers, masters: int, without: int) -> None:
    """Waits until the masters are as many as before, and the killed one is none of them."""

    def ready() -> bool:
        found = servers.masters()
        return len(found) == masters and all(node.port != without for node in found)

    async with asyncio.timeout(FINISHED_S):
        while not await asyncio.to_thread(ready):
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("watched", ["cluster"], indirect=True)
async def test_killed_master_of_cluster_loses_nothing(watched: Watched, cluster: Cluster) -> None:
    for n in range(ROUNDS):
        await watched.reached((n + 0.3) / (ROUNDS + 1))
        master = await asyncio.to_thread(cluster.owner_of, watched.slot)
        master.kill()
        await promoted(cluster, 3, master.port)
        master.start()
        await asyncio.to_thread(cluster.wait_ready)
    await watched.verify()


@pytest.mark.parametrize("watched", ["cluster"], indirect=True)
async def test_replica_without_newest_writes_heals(watched: Watched, cluster: Cluster) -> None:
    for n in range(ROUNDS):
        await watched.reached((n + 0.3) / (ROUNDS + 1))
        master = await asyncio.to_thread(cluster.owner_of, watched.slot)
        replica = await asyncio.to_thread(cluster.replica_of, master)
        await asyncio.to_thread(cluster.cut_replication, master, [replica])
        await watched.lost_if_killed()
        master.kill()
        await promoted(cluster, 3, master.port)
        await asyncio.to_thread(replica.run, "CONFIG", "SET", "masterauth", "")
        master.start()
        await asyncio.to_thread(cluster.wait_ready)
    await watched.verify()
    assert any("in a fail-over" in message for message in await watched.told())


@pytest.mark.parametrize("watched", ["cluster"], indirect=True)
async def test_moved_slot_loses_nothing(watched: Watched, cluster: Cluster) -> None:
    for n in range(2 * ROUNDS):
        await watched.reached((n + 0.3) / (2 * ROUNDS + 1))
        await asyncio.to_thread(cluster.move_slot, watched.slot, 0.02)
    await watched.verify()


@pytest.mark.parametrize("watched", ["sentinels"], indirect=True)
async def test_killed_master_of_sentinels_loses_nothing(watched: Watched, sentinels: Sentinels) -> None:
    for n in range(ROUNDS):
        await watched.reached((n + 0.3) / (ROUNDS + 1))
        master = await asyncio.to_thread(sentinels.master)
        master.kill()
        await promoted(sentinels, 1, master.port)
        master.start()
        await asyncio.to_thread(sentinels.wait_ready)
    await watched.verify()


@pytest.mark.parametrize("watched", ["sentinels"], indirect=True)
async def test_promoted_replica_without_newest_writes_heals(watched: Watched, sentinels: Sentinels) -> None:
    await watched.reached(0.3)
    master = await asyncio.to_thread(sentinels.master)
    replicas = [node for node in sentinels.servers if node is not master]
    await asyncio.to_thread(sentinels.cut_replication, master, replicas)
    await watched.lost_if_killed()
    master.kill()
    await promoted(sentinels, 1, master.port)
    await watched.verify()
    assert any("in a fail-over" in message for message in await watched.told())
