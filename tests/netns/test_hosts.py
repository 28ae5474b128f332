"""Every service on a host of its own: loss, delay, partitions, narrow lines and clocks that differ."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, EndEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.faults.history import backward, check
from tests.faults.ring import FINISHED_S, decided, source, verify
from tests.faults.service_group import Service, ServiceGroup, counters, events, wait_finished
from tests.integration.waiting import until
from tests.netns.hosts import BUS_ADDRESS, PORT, SLOW_PORT, BusHost, Network, NotPermittedError, run

ROLES = {"capture": 1, "encoder": 2, "decider": 2, "generator": 1, "gateway": 1}
HOSTS = [f"{role}-{number}" for role, count in ROLES.items() for number in range(count)]
CHUNKS = 160
CUT_S = 3.0
CLOCKS_S = 0.05
"""How far two measurements of the server's clock may differ over a slow line."""
DELAY_MS = 20.0
SKEWS_S = {"capture-0": 30.0, "encoder-0": -30.0, "decider-0": 30.0, "decider-1": -30.0, "generator-0": 30.0}

pytestmark = pytest.mark.timeout(2 * FINISHED_S)


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        made = Network("bus", *HOSTS)
    except NotPermittedError as error:
        pytest.exit(str(error), returncode=2)
    yield made
    made.close()


@pytest.fixture
def bus_host(network: Network, tmp_path: Path) -> Iterator[BusHost]:
    host = BusHost(network, find_binary(), tmp_path, DELAY_MS)
    yield host
    host.close()


class Hosts(ServiceGroup):
    """The services, each on its host. `slow` hosts reach the server over the delaying proxy."""

    def __init__(self, network: Network, folder: Path, *slow: str, **overrides: str) -> None:
        super().__init__(f"redis://{BUS_ADDRESS}:{PORT}", folder, 0, **overrides)
        self.network, self.slow = network, slow

    def start_all(self, skews_s: dict[str, float] | None = None) -> None:
        for role, count in ROLES.items():
            for number in range(count):
                host = f"{role}-{number}"
                own = {"FAULTS_AHEAD_S": str((skews_s or {}).get(host, 0.0))}
                if host in self.slow:
                    own["CORNERMAN_REDIS_URL"] = f"redis://{BUS_ADDRESS}:{SLOW_PORT}"
                log = self.folder / f"{host}.log"
                environment = {**self.environment, **own}
                self.services.append(Service(role, number, environment, log, prefix=self.network.inside(host)))


@pytest.fixture
def hosts(network: Network, tmp_path: Path) -> Iterator[Hosts]:
    group = Hosts(network, tmp_path, "encoder-1", "decider-1", "generator-0")
    yield group
    group.stop()


async def connected(host: BusHost) -> Bus:
    bus = Bus.connect(load_settings({"redis": {"url": host.url}}))
    await bus.ready()
    return bus


async def assert_times_go_forward(bus: Bus) -> None:
    found = [one for one in await events(bus, "ring") if isinstance(one, DecisionEvent | EndEvent)]
    assert [wrong for event in found for wrong in backward(event.times, CLOCKS_S)] == []


async def test_loss_delay_and_skew_lose_nothing(bus_host: BusHost, hosts: Hosts) -> None:
    async with await connected(bus_host) as bus:
        await add_source(bus, source(CHUNKS))
        hosts.start_all(SKEWS_S)
        await decided(bus, hosts, 1)
        assert await until(lambda: is_healthy(hosts.network))  # a service that starts last is missing for a while
        for host in HOSTS:
            hosts.network.lose(host, 0.01)
        await wait_finished(bus, "ring", hosts, FINISHED_S)
        print("loss, delay, skew:", await verify(bus, CHUNKS))
        await assert_times_go_forward(bus)
    assert hosts.exits == []


async def is_healthy(network: Network) -> bool:
    """Whether the gateway on its host says so; not before it serves."""
    code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/api/status').read().decode())"
    try:
        answer = await asyncio.to_thread(run, *network.inside("gateway-0"), sys.executable, "-c", code)
    except RuntimeError:
        return False
    return bool(json.loads(answer)["health"]["state"] == "healthy")


async def test_partitions_lose_nothing(bus_host: BusHost, hosts: Hosts) -> None:
    hosts.environment["CORNERMAN_ENCODER__FAKE_DELAY_MS"] = "100"
    async with await connected(bus_host) as bus:
        await add_source(bus, source(CHUNKS))
        hosts.start_all()
        for host in ("encoder-0", "decider-0", "decider-1", "generator-0", "capture-0"):
            before = (await counters(bus, "ring")).get("decided", 0)
            await decided(bus, hosts, min(before + 4, CHUNKS))
            hosts.network.cut_off(host)
            await asyncio.sleep(CUT_S)
            hosts.network.heal(host)
        await wait_finished(bus, "ring", hosts, FINISHED_S)
        print("partitions:", await verify(bus, CHUNKS))
        await assert_times_go_forward(bus)
    assert hosts.exits == []


def live(seconds: float, **spec: Any) -> SourceSpec:
    """A live source of the size of a camera's frames on the bus: 224 x 298 pixels, two chunks a second."""
    url = f"test://pattern?fps=30&seconds={seconds:g}&size=640x480"
    watch = {"realtime": True, "sample_fps": 8, "overlap": 4, "credit": 4}
    speak = {"strategy": "rules", "every_chunks": 5, "min_interval_s": 0.5}
    return SourceSpec.model_validate({"source_id": "ring", "url": url, "watch": watch, "speak": speak, **spec})


async def assert_sums(bus: Bus) -> dict[str, int]:
    """Every published chunk is decided once, in order, and what was due was published or dropped by reason."""
    counted = await counters(bus, "ring")
    assert check(await events(bus, "ring"), counted, published=counted["published"]) == []
    return counted


async def test_capture_cut_off_drops_and_recovers(bus_host: BusHost, hosts: Hosts) -> None:
    async with await connected(bus_host) as bus:
        await add_source(bus, live(25))
        hosts.start_all()
        await decided(bus, hosts, 4)
        hosts.network.cut_off("capture-0")
        await asyncio.sleep(2 * CUT_S)
        hosts.network.heal("capture-0")
        await wait_finished(bus, "ring", hosts, FINISHED_S)
        counted = await assert_sums(bus)
        await assert_times_go_forward(bus)
    print("capture cut off:", counted)
    assert any(name.startswith("dropped:") for name in counted) and hosts.exits == []


@pytest.mark.parametrize(("frames", "most_bytes"), [("raw", 2e6), ("jpeg", 0.3e6)])
async def test_narrow_line_of_live_source(bus_host: BusHost, hosts: Hosts, frames: str, most_bytes: float) -> None:
    hosts.environment["CORNERMAN_BUS__FRAMES"] = frames
    async with await connected(bus_host) as bus:
        await add_source(bus, live(15))
        hosts.network.limit("capture-0", 8)
        before = hosts.network.sent_bytes("capture-0")
        hosts.start_all()
        await wait_finished(bus, "ring", hosts, FINISHED_S)
        counted = await assert_sums(bus)
        sent = hosts.network.sent_bytes("capture-0") - before
        await assert_times_go_forward(bus)
    each = sent / counted["published"]
    print(f"8 Mbit/s, {frames}: {counted}; capture sent {sent / 1e6:.1f} MB, {each / 1e6:.2f} MB a chunk")
    assert each < most_bytes
    assert frames == "jpeg" or any(name.startswith("dropped:") for name in counted)
