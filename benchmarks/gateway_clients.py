"""Many SSE clients on one gateway: delay, completeness and memory, with stalled clients beside them.

    python -m benchmarks.gateway_clients [--clients 200] [--stalled 20] [--seconds 120] [--rate 10]

The gateway is a process of its own; two sources emit `rate` events a second each; the clients are plain sockets in
this process. The delay is from just before the event is written to Redis to when a client has read it. Prints one JSON
object. The peer in the same run is one client that reads Redis itself (`Bus.subscribe`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.registry import put_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server

SOURCES = ("one", "two")
PAYLOAD = "x" * 200
HISTORY, HISTORY_PAYLOAD = 4_000, "x" * 2_000
"""Events written before: more than the buffers of a socket, for clients that ask for them and never read."""


@dataclass
class Follower:
    """One SSE client."""

    source_id: str
    ids: list[str] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    lagged: int = 0

    async def follow(self, port: int, clock: Any, ready: asyncio.Event) -> None:
        reader, writer = await _open(port, self.source_id)
        last = ""
        try:
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    last = line[4:-1].decode()
                elif line.startswith(b"data: "):
                    now_s = clock()
                    body = json.loads(line[6:])
                    if body["type"] == "lagged":
                        self.lagged += body["count"]
                        continue
                    self.ids.append(last)
                    self.delays_s.append(now_s - body["at_s"])
                elif line == b": following\n":
                    ready.set()
        finally:
            writer.close()


async def _open(
    port: int, source_id: str, query: str = "", limit: int = 1 << 16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    writer.write(f"GET /api/sources/{source_id}/events{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def run(given: argparse.Namespace, bus: Bus, port: int, gateway: psutil.Process) -> dict[str, Any]:
    """Measures all clients while events are emitted."""
    clock = bus.clock.now_s
    for source_id in SOURCES:
        await put_source(bus, SourceSpec(source_id=source_id, url="test://pattern"))
        for _ in range(HISTORY if given.stalled else 0):
            await bus.emit(ErrorEvent(source_id, "r", "bench", HISTORY_PAYLOAD, clock()))
    followers = [Follower(SOURCES[index % 2]) for index in range(given.clients)]
    ready = [asyncio.Event() for _ in followers]
    following = [
        asyncio.create_task(follower.follow(port, clock, event))
        for follower, event in zip(followers, ready, strict=True)
    ]
    stalled = [await _open(port, SOURCES[index % 2], "?since=0", limit=1024) for index in range(given.stalled)]
    await asyncio.gather(*(event.wait() for event in ready))
    direct: list[float] = []

    async def read_directly() -> None:
        async for _, event in bus.subscribe(SOURCES[0]):
            if isinstance(event, ErrorEvent):
                direct.append(clock() - event.at_s)

    reading = asyncio.create_task(read_directly())
    await asyncio.sleep(1.0)
    sent: dict[str, list[str]] = {source_id: [] for source_id in SOURCES}
    memory, loop = [gateway.memory_info().rss], asyncio.get_running_loop()
    gateway.cpu_percent()
    began_s, count, next_sample_s = loop.time(), 0, 5.0
    while (at_s := count / given.rate) < given.seconds:
        await asyncio.sleep(max(0.0, began_s + at_s - loop.time()))
        for source_id in SOURCES:
            sent[source_id].append(await bus.emit(ErrorEvent(source_id, "r", "bench", PAYLOAD, clock())))
        count += 1
        if at_s >= next_sample_s:
            next_sample_s += 5.0
            memory.append(gateway.memory_info().rss)
    cpu = gateway.cpu_percent()
    await asyncio.sleep(2.0)
    await cancel_all(*following, reading)
    for _, writer in stalled:
        writer.close()
    delays = sorted(delay for follower in followers for delay in follower.delays_s)
    direct.sort()
    later = memory[len(memory) // 4 :]
    return {
        "clients": given.clients,
        "stalled": given.stalled,
        "events": sum(map(len, sent.values())),
        "delivered": len(delays),
        "clients_with_every_event_once": sum(follower.ids == sent[follower.source_id] for follower in followers),
        "lagged": sum(follower.lagged for follower in followers),
        "delay_ms": {name: round(_at(delays, q) * 1000, 2) for name, q in QUANTILES.items()},
        "direct_delay_ms": {name: round(_at(direct, q) * 1000, 2) for name, q in QUANTILES.items()},
        "gateway_cpu_percent": cpu,
        "gateway_rss_mib": {"start": _mib(memory[0]), "quarter": _mib(later[0]), "end": _mib(memory[-1])},
    }


QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def _at(ordered: list[float], quantile: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(quantile * len(ordered)) - 1))] if ordered else float("nan")


def _mib(size: int) -> float:
    return round(size / 2**20, 1)


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        server = Server(find_binary(), Path(name))
        server.start()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {**os.environ, "CORNERMAN_RUNTIME__DIR": name, "CORNERMAN_REDIS__URL": server.url}
        line = [sys.executable, "-m", "cornerman_gateway", "--set", f"gateway.port={port}", "--set", "log.level=error"]
        process = subprocess.Popen(line, env=environment)
        try:
            await _until_ready(port)
            async with Bus.connect(load_settings({"redis": {"url": server.url}, "runtime": {"dir": name}})) as bus:
                return await run(given, bus, port, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(20)
            server.stop()


async def _until_ready(port: int) -> None:
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Many SSE clients on one gateway.")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--stalled", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=10.0, help="events a second from each source")
    given = parser.parse_args()
    found = asyncio.run(measure(given))
    print(json.dumps(found))
    return 0 if found["clients_with_every_event_once"] == given.clients and found["delay_ms"]["p99"] <= 250 else 1


if __name__ == "__main__":
    sys.exit(main())
