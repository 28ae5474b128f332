"""Latency under overload: the encoder takes a second a chunk, a live source runs at 30 FPS.

    python -m benchmarks.overload [--seconds 40] [--credit 4]

Prints one JSON object: frames captured a second, chunks due, published and dropped, and the age of the newest decided
chunk (decided minus captured) against the bound (credit + 1) x service time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings
from tests.conftest import Server
from tests.faults.service_group import ServiceGroup, counters, events

SERVICE_S = 1.0


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--credit", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(find_binary(), folder)
        server.start()
        group = ServiceGroup(
            server.url,
            folder,
            0,
            CORNERMAN_ENCODER__FAKE_DELAY_MS=str(SERVICE_S * 1000),
            CORNERMAN_ENCODER__BATCH="1",
        )
        try:
            async with Bus.connect(load_settings({"redis": {"url": server.url}})) as bus:
                watch = {"credit": given.credit}
                spec = {"source_id": "live", "url": "test://pattern?fps=30&size=640x360&seconds=7200", "watch": watch}
                await add_source(bus, SourceSpec.model_validate(spec))
                group.start(capture=1, encoder=1, decider=1, generator=1)
                while not (await counters(bus, "live")).get("captured"):
                    await asyncio.sleep(0.1)
                before, began_s = (await counters(bus, "live"))["captured"], bus.clock.monotonic_s()
                await asyncio.sleep(given.seconds)
                counted, took_s = await counters(bus, "live"), bus.clock.monotonic_s() - began_s
                ages = [
                    event.times.decided_at_s - event.times.captured_at_s
                    for event in await events(bus, "live")
                    if isinstance(event, DecisionEvent)
                ]
                print(
                    json.dumps(
                        {
                            "captured_fps": (counted["captured"] - before) / took_s,
                            "counters": counted,
                            "age_s": {"median": statistics.median(ages), "max": max(ages)},
                            "bound_s": (given.credit + 1) * SERVICE_S,
                        }
                    )
                )
        finally:
            group.stop()
            server.stop()


if __name__ == "__main__":
    asyncio.run(main())
