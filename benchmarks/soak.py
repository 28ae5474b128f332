"""Memory and open files over twenty minutes of a looped real-time source.

    python -m benchmarks.soak [--minutes 20] [--video PATH]

Samples every process each five seconds, leaves the first fifth out as warm-up, fits a line to the rest, and prints
for each process the first and last figure, the median of each quarter and the slope, as JSON. A leak raises every
quarter alike; a warm-up or a heap that settles raises the first ones only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import psutil

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings
from tests.conftest import Server
from tests.faults.service_group import ServiceGroup, counters

EVERY_S = 5.0
MIB = 1024 * 1024


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--video", default="test://pattern?fps=30&size=640x360&seconds=7200")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(find_binary(), folder)
        server.start()
        group = ServiceGroup(server.url, folder, 0, **production_times())
        try:
            async with Bus.connect(load_settings({"redis": {"url": server.url}})) as bus:
                spec = {"source_id": "soak", "url": given.video, "watch": {"loop": True, "realtime": True}}
                await add_source(bus, SourceSpec.model_validate(spec))
                group.start(capture=1, encoder=1, decider=1, generator=1)
                assert server.process is not None
                pids = {service.role: service.process.pid for service in group.services} | {
                    "server": server.process.pid
                }
                samples = await watch(pids, given.minutes * 60)
                counted = await counters(bus, "soak")
            print(json.dumps({"minutes": given.minutes, "counters": counted, **summarise(samples)}, indent=1))
        finally:
            group.stop()
            server.stop()


def production_times() -> dict[str, str]:
    """The default times of the bus instead of the fault tests' short ones.

    A machine that stands still for a second then loses no lease and begins no new run.
    """
    bus = Settings().bus
    names = ("idle_ms", "heartbeat_ms", "lease_ms", "block_ms", "max_deliveries")
    return {f"CORNERMAN_BUS__{name.upper()}": str(getattr(bus, name)) for name in names}


async def watch(pids: dict[str, int], seconds: float) -> dict[str, list[tuple[float, float, int]]]:
    """Samples (time s, resident MiB, open files) of each process."""
    samples: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    at_s = 0.0
    while at_s < seconds:
        for role, pid in pids.items():
            process = psutil.Process(pid)
            samples[role].append((at_s, process.memory_info().rss / MIB, process.num_fds()))
        await asyncio.sleep(EVERY_S)
        at_s += EVERY_S
    return samples


def summarise(samples: dict[str, list[tuple[float, float, int]]]) -> dict[str, object]:
    """Figures of each process after warm-up, and the slope of the line through them."""
    out: dict[str, object] = {}
    for role, rows in samples.items():
        t, rss, files = np.array(rows[len(rows) // 5 :]).T
        out[role] = {
            "rss_mib": [round(float(rss[0]), 1), round(float(rss[-1]), 1)],
            "rss_mib_quarters": [round(float(np.median(part)), 1) for part in np.array_split(rss, 4)],
            "rss_mib_per_hour": round(float(np.polyfit(t, rss, 1)[0]) * 3600, 2),
            "open_files": [int(files[0]), int(files[-1])],
        }
    return out


if __name__ == "__main__":
    asyncio.run(main())
