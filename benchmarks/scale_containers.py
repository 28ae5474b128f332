"""Throughput of encoder containers of the compose file on a real Docker engine, over their number.

    python -m benchmarks.scale_containers [--containers 1 3] [--rounds 3] [--delay-ms 50] [--build]

The encoders are the fake ones, which sleep `delay-ms` a chunk (batch 1), so that the machine's cores are not the limit.
More chunks than they can encode are on the bus before the clock starts. Each number of containers is measured
`rounds` times; prints a JSON object for each, and at the end the rates and the ratio of the last number to the first.
Goal: a ratio of 0.9 times their quotient (2.7 for three and one); exit code 1 where it is missed, 69 without an engine.
The images are those of `make e2e-docker`; E2E_COMPOSE names further compose files.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import yaml

from benchmarks.scale import encoded_per_s
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.workers import live_names
from cornerman_shared.settings.tree import load_settings
from tests.docker_engine import SERVERS, Engine, engine_answers
from tests.e2e.ports import free_ports

PROJECT: Final = "cornerman-scale"
GOAL: Final = 0.9
READY_S: Final = 240.0


def override(delay_ms: float) -> dict[str, object]:
    """The compose file on top: slow encoders, and servers whose ports are published on this machine."""
    encoder = {"CORNERMAN_ENCODER__FAKE_DELAY_MS": f"{delay_ms:g}", "CORNERMAN_ENCODER__BATCH": "1"}
    servers = {name: {"ports": ["127.0.0.1::6379"]} for name in SERVERS}
    return {"services": {"encoder": {"environment": encoder}, **servers}}


async def scale(engine: Engine, bus: Bus, count: int) -> None:
    """Sets the number of encoder containers, and waits until as many encoders are alive."""
    await asyncio.to_thread(engine.compose, "up", "--detach", "--wait", "--scale", f"encoder={count}", "encoder")
    deadline_s = time.monotonic() + READY_S
    while len(await live_names(bus, "encoder")) != count:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{len(await live_names(bus, 'encoder'))} encoders are alive, not {count}")
        await asyncio.sleep(0.5)


async def connect(engine: Engine) -> Bus:
    """A bus on the servers of the project."""
    streams, blobs = [engine.compose("port", name, "6379").strip() for name in SERVERS]
    redis = {"url": f"redis://{streams}/0", "blobs_url": f"redis://{blobs}/0", "password": engine.password}
    return Bus.connect(load_settings({"redis": redis}))


async def run(engine: Engine, counts: list[int], rounds: int, chunks: int) -> bool:
    """Measures every number of containers; whether the goal is met."""
    await asyncio.to_thread(engine.compose, "up", "--detach", "--wait", *SERVERS)
    rates: dict[int, list[float]] = {}
    async with await connect(engine) as bus:
        await bus.ready(60)
        for count in counts:
            await scale(engine, bus, count)
            for n in range(rounds):
                rate = await encoded_per_s(bus, count * chunks, f"{count}-{n}")
                rates.setdefault(count, []).append(rate)
                load = os.getloadavg()[0]
                print(
                    json.dumps({"containers": count, "chunks_per_s": round(rate, 2), "load": round(load)}), flush=True
                )
    middle = {count: statistics.median(found) for count, found in rates.items()}
    ratio = middle[counts[-1]] / middle[counts[0]]
    met = ratio >= GOAL * counts[-1] / counts[0]
    found = {"chunks_per_s": {count: round(rate, 2) for count, rate in middle.items()}, "ratio": round(ratio, 2)}
    print(json.dumps(found | {"goal_met": met}), flush=True)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--containers", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-ms", type=float, default=50.0)
    parser.add_argument("--chunks-per-container", type=int, default=200)
    parser.add_argument("--build", action="store_true", help="build the encoder's image first")
    given = parser.parse_args()
    if not engine_answers():
        return os.EX_UNAVAILABLE
    os.environ["CORNERMAN_ENCODER__BACKEND"] = "fake"
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "scale.yml"
        file.write_text(yaml.safe_dump(override(given.delay_ms)), encoding="utf-8")
        engine = Engine(free_ports(1)[0], PROJECT, [str(file)])
        try:
            if given.build:
                engine.compose("build", "encoder", within_s=2400)
            met = asyncio.run(run(engine, given.containers, given.rounds, given.chunks_per_container))
        finally:
            engine.compose("down", "--volumes")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
