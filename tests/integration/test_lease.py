"""A lease has one owner at a time and a generation that only rises; an expired owner is fenced."""

from __future__ import annotations

import asyncio

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from tests.integration.waiting import PATIENCE_S, expire_key, until

pytestmark = pytest.mark.topologies("cluster", "sentinel")


@pytest.fixture
def lease(bus: Bus) -> Lease:
    return Lease(bus, bus.keys("cam"), "capture:cam", "one")


@pytest.fixture
def other(bus: Bus) -> Lease:
    return Lease(bus, bus.keys("cam"), "capture:cam", "two")


async def test_one_of_many_acquires_it(bus: Bus) -> None:
    leases = [Lease(bus, bus.keys("cam"), "capture:cam", f"w{n}") for n in range(20)]
    assert sum(await asyncio.gather(*(lease.acquire() for lease in leases))) == 1
    assert [lease.held for lease in leases].count(True) == 1


async def test_generation_rises_with_every_owner(lease: Lease, other: Lease) -> None:
    generations = []
    for owner in (lease, other, lease, other):
        assert await owner.acquire()
        generations.append(owner.generation)
        await owner.release()
    assert generations == sorted(set(generations))


async def test_restarted_owner_gets_a_new_generation(bus: Bus, lease: Lease) -> None:
    assert await lease.acquire()
    again = Lease(bus, bus.keys("cam"), "capture:cam", "one")
    assert await again.acquire()
    assert again.generation > lease.generation
    assert not await lease.renew()
    assert lease.lost.is_set()
    assert await again.renew()


async def test_expired_lease_is_not_renewed(bus: Bus, lease: Lease) -> None:
    assert await lease.acquire()
    await expire_key(bus, lease.key)
    assert not await lease.renew()
    assert not lease.held
    assert await lease.acquire()
    assert lease.held


async def test_auto_renew_renews_then_releases(
    bus: Bus, lease: Lease, other: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortens the lease between renewals, so that more than its length passes in all."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda wait_s: sleep(min(wait_s, 0.02)))
    lease._ttl_ms = 60_000
    assert await lease.acquire()

    async def renewed() -> bool:
        return bool(await bus.redis.pttl(lease.key) > 30_000)

    async with lease.auto_renew():
        for _ in range(5):
            await bus.redis.pexpire(lease.key, 30_000)
            await until(renewed)
        assert lease.held
        assert not await other.acquire()
    assert not lease.held
    assert await other.acquire()


async def test_auto_renew_reports_a_taken_lease(bus: Bus, lease: Lease, other: Lease) -> None:
    lease._ttl_ms = 300  # renewed often; an expiry before a renewal does not matter here
    assert await lease.acquire()
    async with lease.auto_renew():
        await bus.redis.delete(lease.key)
        assert await other.acquire()
        await asyncio.wait_for(lease.lost.wait(), PATIENCE_S)
    assert await other.renew()


async def test_auto_renew_reports_a_lost_server(own_bus: Bus, own_server: object) -> None:
    lease = Lease(own_bus, own_bus.keys("cam"), "capture:cam", "one")
    lease._ttl_ms = 600
    assert await lease.acquire()
    async with lease.auto_renew():
        own_server.kill()  # type: ignore[attr-defined]
        await asyncio.wait_for(lease.lost.wait(), PATIENCE_S)


async def test_releasing_anothers_lease_changes_nothing(lease: Lease, other: Lease) -> None:
    await lease.release()
    assert await other.acquire()
    lease.generation = 7
    await lease.release()
    assert await other.renew()
