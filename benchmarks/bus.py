"""Cost of the bus: a hop with all its guarantees beside a bare redis-py XADD + XREADGROUP loop, in the same run.

    python -m benchmarks.bus [--seconds 0.5] [--rounds 12] [--window 8]

Ours, for each payload: store a blob, publish an entry under a lease and within credit, take it from a consumer with its
heartbeat, fetch the blob, and settle it in one hop that writes the next entry, gives back the credit and frees the
blob. `inline` is the hop of a small array inside its entry. Bare: XADD the payload and XREADGROUP it, without
acknowledgement, output or guarantee.

Throughput runs a producer and a consumer at once, with `window` entries in flight at most; latency runs one entry at a
time from before it is stored until it is settled (bare: read). Short rounds alternate between ours and bare, so that
other load on the machine slows both; `ratio` is the median over rounds of ours divided by bare. `cpu_us` is processor
time for each entry of the latency rounds, of the server (`INFO cpu`) and of this process; the least over the rounds,
because other load only adds to it. One JSON object a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import Chunk, Features, Times
from cornerman_shared.bus.publish import credit_member, publish
from cornerman_shared.bus.runs import begin_run
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.bus.streams import GROUP_DECIDER, GROUP_ENCODER
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server

SIZES = {"14 KB": 14 * 1024, "2 MB": 2 * 1024 * 1024}
SOURCE = "bench"
MAXLEN = 1_000


class BlobHop:
    """Blob, entry, consumer and hop: the work of capture and an encoder for each chunk."""

    def __init__(self, bus: Bus, payload: NDArray[Any], window: int) -> None:
        self._bus = bus
        self._payload = payload
        self._window = window
        self._keys = bus.keys(SOURCE)
        self._lease = Lease(bus, self._keys, f"capture:{SOURCE}", "bench")
        self._freed = asyncio.Event()
        self._seq = 0
        self._consumer: Consumer[Chunk] = Consumer(
            bus, [self._keys.chunks], GROUP_ENCODER, Chunk, "bench", slots=window
        )

    async def __aenter__(self) -> BlobHop:
        await self._lease.acquire()
        await begin_run(self._bus, SOURCE, "r", "test://", self._lease, resume=False)
        await self._consumer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.__aexit__(None, None, None)

    async def produce(self) -> None:
        seq, k = self._seq, self._keys
        self._seq += 1
        ref = await self._bus.put_blob(k.blob(SOURCE, "r", seq, "frames"), self._payload, 60)
        chunk = Chunk(SOURCE, "r", seq, seq / 2, (seq / 2,) * 8, 0.0, False, False, ref, False, Times())
        self._freed.clear()
        while await publish(self._bus, chunk, self._lease, self._window) == "no_credit":
            await self._freed.wait()
            self._freed.clear()

    async def consume(self) -> int:
        deliveries = await self._consumer.take(self._window)
        for delivery in deliveries:
            await self._settle(delivery)
            self._freed.set()
        return len(deliveries)

    async def _settle(self, delivery: Delivery[Chunk]) -> None:
        k, chunk = self._keys, delivery.message
        assert chunk.frames is not None
        array = await self._bus.get_blob(chunk.frames)
        assert array.nbytes == self._payload.nbytes
        hop = Hop().add(k.features, _features(chunk.seq, None), MAXLEN).free([chunk.frames])
        await delivery.commit(hop.release(k.inflight(SOURCE), credit_member("r", chunk.seq)))


class InlineHop:
    """A small array inside its entry: the work of an encoder and the decider."""

    def __init__(self, bus: Bus, payload: NDArray[Any], window: int) -> None:
        self._bus = bus
        self._vector = payload.view(np.float32)
        self._window = asyncio.Semaphore(window)
        self._limit = window
        self._keys = bus.keys(SOURCE)
        self._seq = 0
        self._consumer: Consumer[Features] = Consumer(
            bus, [self._keys.features], GROUP_DECIDER, Features, "bench", slots=window
        )

    async def __aenter__(self) -> InlineHop:
        await self._consumer.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.__aexit__(None, None, None)

    async def produce(self) -> None:
        await self._window.acquire()
        self._seq += 1
        hop = Hop().add(self._keys.features, _features(self._seq, self._vector), MAXLEN)
        await hop.run(self._bus.scripts)

    async def consume(self) -> int:
        deliveries = await self._consumer.take(self._limit)
        for delivery in deliveries:
            await delivery.commit(Hop().add(self._keys.requests, _features(delivery.message.seq, None), MAXLEN))
            self._window.release()
        return len(deliveries)


class BareRedis:
    """redis-py alone."""

    def __init__(self, url: str, payload: NDArray[Any], window: int) -> None:
        self._writer, self._reader = Redis.from_url(url), Redis.from_url(url, socket_timeout=30)
        self._payload = payload.tobytes()
        self._window = asyncio.Semaphore(window)
        self._limit = window

    async def __aenter__(self) -> BareRedis:
        await self._writer.xgroup_create("bare", "group", id="0", mkstream=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._writer.aclose()
        await self._reader.aclose()

    async def produce(self) -> None:
        await self._window.acquire()
        await self._writer.xadd("bare", {"m": self._payload}, maxlen=32, approximate=True)

    async def consume(self) -> int:
        reply = await self._reader.xreadgroup("group", "bench", {"bare": ">"}, count=self._limit, block=500)
        count = sum(len(entries) for _, entries in reply)
        for _ in range(count):
            self._window.release()
        return count


Side = BlobHop | InlineHop | BareRedis


def _features(seq: int, vector: NDArray[np.float32] | None) -> Features:
    return Features(
        SOURCE, "r", seq, seq / 2, 0.0, False, "ok", vector, None, None, None, (seq / 2,) * 8, "bench", Times()
    )


async def throughput(side: Side, seconds: float) -> float:
    """Entries a second."""

    async def produce() -> None:
        while True:
            await side.produce()

    producing = asyncio.create_task(produce())
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        done += await side.consume()
    rate = done / (time.perf_counter() - begun)
    while not producing.done():  # bare redis-py sometimes swallows a cancellation
        producing.cancel()
        await asyncio.wait({producing}, timeout=0.05)
    return rate


async def latency(side: Side, seconds: float) -> list[float]:
    """Milliseconds of each entry, one at a time."""
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        await side.produce()
        await side.consume()
        found.append((time.perf_counter() - begun) * 1000)
    return found


async def with_cpu(bus: Bus, side: Side, seconds: float) -> tuple[list[float], float, float]:
    """`latency`, with the processor time of server and client for each entry, microseconds."""
    server_s, client_s = await server_cpu_s(bus), time.process_time()
    found = await latency(side, seconds)
    client_s = time.process_time() - client_s
    server_s = await server_cpu_s(bus) - server_s
    return found, server_s / len(found) * 1e6, client_s / len(found) * 1e6


async def server_cpu_s(bus: Bus) -> float:
    """Processor time of the server so far, seconds."""
    info = await bus.redis.info("cpu")
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


async def measure(bus: Bus, make: Callable[[], Side], work: Callable[[Side], Awaitable[Any]]) -> Any:
    """Runs one round on an empty server, after a warm-up."""
    await bus.redis.flushall()
    async with make() as side:
        for _ in range(5):
            await side.produce()
            await side.consume()
        return await work(side)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--window", type=int, default=8, help="entries in flight at most")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = Server(find_binary(), Path(name))
        server.start()
        try:
            async with Bus.connect(load_settings({"redis": {"url": server.url}, "runtime": {"dir": name}})) as bus:
                await bus.ready(10)
                for label, size in SIZES.items():
                    payload = np.random.default_rng(0).integers(0, 255, size, np.uint8)
                    sides: dict[str, Callable[[], Side]] = {"blob": lambda p=payload: BlobHop(bus, p, given.window)}  # type: ignore[misc]
                    if size < 64 * 1024:
                        sides["inline"] = lambda p=payload: InlineHop(bus, p, given.window)  # type: ignore[misc]
                    for way, make in sides.items():
                        print(json.dumps(await compare(bus, label, way, make, payload, given)), flush=True)
        finally:
            server.stop()


async def compare(
    bus: Bus, label: str, way: str, make: Callable[[], Side], payload: NDArray[Any], given: argparse.Namespace
) -> dict[str, Any]:
    """Measures ours and bare in alternating rounds."""
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    waits: dict[str, list[float]] = {"ours": [], "bare": []}
    cpu_us: dict[str, list[float]] = defaultdict(list)
    for _ in range(given.rounds):
        for side in rates:
            chosen = make if side == "ours" else lambda: BareRedis(bus.url, payload, given.window)
            rates[side].append(await measure(bus, chosen, lambda bus_side: throughput(bus_side, given.seconds)))
            each, server_us, client_us = await measure(bus, chosen, lambda one: with_cpu(bus, one, given.seconds))
            waits[side] += each
            cpu_us[f"server_{side}"].append(server_us)
            cpu_us[f"client_{side}"].append(client_us)
    ratios = [ours / bare for ours, bare in zip(rates["ours"], rates["bare"], strict=True)]
    rate = {side: round(statistics.median(found), 1) for side, found in rates.items()}
    p50 = {side: statistics.median(found) for side, found in waits.items()}
    p99 = {side: statistics.quantiles(found, n=100)[98] for side, found in waits.items()}
    return {
        "benchmark": "bus",
        "payload": label,
        "way": way,
        "throughput_per_s": rate | {"ratio": round(statistics.median(ratios), 2)},
        "latency_ms_p50": {side: round(value, 3) for side, value in p50.items()}
        | {"ratio": round(p50["ours"] / p50["bare"], 2)},
        "latency_ms_p99": {side: round(value, 3) for side, value in p99.items()},
        "cpu_us": {name: round(min(found), 1) for name, found in cpu_us.items()},
    }


if __name__ == "__main__":
    asyncio.run(main())
