"""Every chunk is decided once and every request ends once, through kills, frozen processes, a lossy network and a
restarted server.

`make faults` runs the long form (CORNERMAN_FAULTS=long): 100 kills over 2,000 chunks. The seed is printed;
CORNERMAN_SEED repeats it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.proxy import LossyProxy
from tests.faults.ring import CHUNKS, FINISHED_S, LONG, decided, source, verify
from tests.faults.service_group import ServiceGroup, wait_finished

KILLS = 100 if LONG else 8

pytestmark = pytest.mark.timeout(2 * FINISHED_S)


async def test_random_kills_lose_nothing(own_server: Server, group: ServiceGroup) -> None:
    async with Bus.connect(load_settings({"redis": {"url": own_server.url}})) as bus:
        await add_source(bus, source(CHUNKS))
        group.start(capture=2, encoder=3, decider=2, generator=2)
        await decided(bus, group, 1)  # every service works
        killed: dict[str, int] = {}
        for _ in range(KILLS):
            await asyncio.sleep(group.random.uniform(0.4, 1.6))
            role = group.kill_one()
            killed[role] = killed.get(role, 0) + 1
        print("kills:", killed)
        await wait_finished(bus, "ring", group, FINISHED_S)
        await verify(bus, CHUNKS)


async def test_frozen_decider_is_fenced(own_server: Server, group: ServiceGroup) -> None:
    async with Bus.connect(load_settings({"redis": {"url": own_server.url}})) as bus:
        await add_source(bus, source(CHUNKS))
        # Slow enough that the run has not ended when its owner is frozen, even if this test is scheduled rarely.
        group.environment |= {"CORNERMAN_ENCODER__FAKE_DELAY_MS": "100", "CORNERMAN_ENCODER__BATCH": "1"}
        group.start(capture=1, encoder=2, decider=2, generator=1)
        for least in (5, 45):
            await decided(bus, group, least)
            owner = await _another_owner(bus, b"")
            number = int(owner.decode().split("-")[1])
            group.of("decider")[number].freeze()
            await _another_owner(bus, owner)
            group.of("decider")[number].thaw()
        await wait_finished(bus, "ring", group, FINISHED_S)
        await verify(bus, CHUNKS)
        assert int(await bus.redis.get(bus.keys("ring").fence("decider"))) >= 2


async def _another_owner(bus: Bus, than: bytes) -> bytes:
    """Waits for another owner of the decider's lease; returns it."""
    async with asyncio.timeout(FINISHED_S):
        while (owner := await bus.redis.get(bus.keys("ring").lease("decider"))) in (than, None):
            await asyncio.sleep(0.05)
    return bytes(owner)


async def test_lost_replies_lose_nothing(own_server: Server, group: ServiceGroup, tmp_path: Path, seed: int) -> None:
    lossy = tmp_path / "p.sock"
    async with (
        LossyProxy(lossy, own_server.socket, seed, drop=0.004, cut=0.004, delay_s=0.002) as proxy,
        Bus.connect(load_settings({"redis": {"url": own_server.url}})) as bus,
    ):
        await add_source(bus, source(CHUNKS))
        group.environment["CORNERMAN_REDIS_URL"] = f"unix://{lossy}"
        group.start(capture=1, encoder=2, decider=1, generator=1)
        await wait_finished(bus, "ring", group, FINISHED_S)
        await verify(bus, CHUNKS)
        print(f"replies dropped: {proxy.dropped}, requests cut: {proxy.cut}")
        assert proxy.dropped > 0
        assert proxy.cut > 0
        await asyncio.to_thread(group.stop)  # before the proxy is closed


async def test_killed_server_returns_with_its_file(own_server: Server, group: ServiceGroup) -> None:
    async with Bus.connect(load_settings({"redis": {"url": own_server.url}})) as bus:
        await add_source(bus, source(CHUNKS))
        group.start(capture=1, encoder=2, decider=1, generator=1)
        for _ in range(3 if LONG else 2):
            await asyncio.sleep(group.random.uniform(2.0, 4.0))
            own_server.kill()
            await asyncio.sleep(0.7)
            own_server.start()
        await wait_finished(bus, "ring", group, FINISHED_S)
        await verify(bus, CHUNKS)
