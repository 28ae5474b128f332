"""Throughput over the number of encoder workers.

    python -m benchmarks.scale [--workers 1 2 4 8 16] [--delay-ms 50] [--chunks-per-worker 120]

Each encoder worker is a real process that sleeps `delay-ms` a chunk (batch 1), so that the machine's cores are not
the limit. The chunks are on the bus before the clock starts; the clock runs from the first encoded chunk to the last.
Prints one JSON object a line; `efficiency` is throughput divided by (workers x throughput of one worker) in the same
run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

import numpy as np

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Chunk, Times
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.service_group import ServiceGroup

STARTED = 1


async def measure(bus: Bus, group: ServiceGroup, workers: int, chunks: int) -> float:
    """Chunks a second that `workers` encoder processes finish."""
    await bus.redis.flushall()
    group.start(encoder=workers)
    await ready(bus, workers)
    rate = await encoded_per_s(bus, chunks)
    group.stop()
    group.services.clear()
    return rate


async def encoded_per_s(bus: Bus, chunks: int, run: str = "r") -> float:
    """Puts chunks of a run on the bus, and returns how many of them a second the encoders that are there finish."""
    k = bus.keys("bench")
    before = int(await bus.redis.xlen(k.features))
    frames = np.zeros((8, 32, 32, 3), np.uint8)
    for seq in range(chunks):
        ref = await bus.put_blob(k.blob("bench", run, seq, "frames"), frames, 600)
        chunk = Chunk("bench", run, seq, seq / 2, (seq / 2,) * 8, 0.0, True, False, ref, False, Times())
        await bus.redis.xadd(k.chunks, {streams.FIELD: pack(chunk)})
    begun = 0.0
    while True:
        done = int(await bus.redis.xlen(k.features)) - before
        now = bus.clock.monotonic_s()
        if done >= STARTED and not begun:
            begun, at_begin = now, done
        if done >= chunks:
            return (chunks - at_begin) / (now - begun)
        await asyncio.sleep(0.005)


async def ready(bus: Bus, workers: int) -> None:
    """Waits until every worker has joined the group and read once."""
    while True:
        await asyncio.sleep(0.2)
        if await bus.redis.exists(bus.keys("bench").chunks):
            groups = await bus.redis.xinfo_groups(bus.keys("bench").chunks)
            if groups and await bus.redis.zcard(streams.WORKERS) >= workers:
                await asyncio.sleep(1.0)
                return


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--delay-ms", type=float, default=50.0)
    parser.add_argument("--chunks-per-worker", type=int, default=120)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(find_binary(), folder)
        server.start()
        try:
            environment = {"CORNERMAN_ENCODER__FAKE_DELAY_MS": str(given.delay_ms), "CORNERMAN_ENCODER__BATCH": "1"}
            group = ServiceGroup(server.url, folder, 0, **environment)
            async with Bus.connect(load_settings({"redis": {"url": server.url}})) as bus:
                one = 0.0
                for workers in given.workers:
                    rate = await measure(bus, group, workers, workers * given.chunks_per_worker)
                    one = one or rate / workers
                    row = {"workers": workers, "chunks_per_s": rate, "efficiency": rate / (workers * one)}
                    print(json.dumps(row), flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main())
