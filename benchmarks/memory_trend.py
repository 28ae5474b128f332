"""Memory of a group of services that are killed and restarted: by role, over processes that have warmed up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from itertools import pairwise

import numpy as np
import psutil
import redis.exceptions

from cornerman_shared.bus.connection import Bus
from tests.faults.service_group import ServiceGroup

EVERY_S = 2.0
MIB = 2**20


class MemoryTrend:
    """Samples resident memory of each role, and memory and number of keys of the server.

    Args:
        bus: an open bus.
        group: the services.
        seconds: length of the run; processes younger than a twentieth of it, at most 60 s, are left out as warming up.
    """

    def __init__(self, bus: Bus, group: ServiceGroup, seconds: float) -> None:
        self._bus, self._group = bus, group
        self._warm_s = min(60.0, seconds / 20)
        self._began_s = time.monotonic()
        self._rows: dict[str, list[tuple[float, float]]] = defaultdict(list)

    async def sample_loop(self) -> None:
        """Samples until it is cancelled."""
        while True:
            at_s = time.monotonic() - self._began_s
            for service in self._group.services:
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(service.process.pid)
                    if time.time() - process.create_time() > self._warm_s:
                        self._rows[service.role].append((at_s, process.memory_info().rss / MIB))
            with contextlib.suppress(redis.exceptions.RedisError):
                info = await self._bus.redis.info("memory")
                self._rows["server"].append((at_s, info["used_memory"] / MIB))
                self._rows["keys"].append((at_s, float(await self._bus.redis.dbsize())))
            await asyncio.sleep(EVERY_S)

    def print_table(self) -> None:
        """Prints the median of each quarter of the run, and the slope of the line through its last four fifths."""
        print(f"{'memory':<11}{'samples':>8}{'median MiB of each quarter (keys: number)':>44}{'a hour':>10}")
        for name, rows in sorted(self._rows.items()):
            at_s, value = np.array(rows).T
            quarters = np.linspace(0, at_s[-1] + 1e-9, 5)
            parts = [value[(at_s >= low) & (at_s <= high)] for low, high in pairwise(quarters)]
            medians = "  ".join(f"{np.median(part):8.1f}" if len(part) else f"{'-':>8}" for part in parts)
            warm = at_s > at_s[-1] / 5
            slope = float(np.polyfit(at_s[warm], value[warm], 1)[0]) * 3600 if warm.sum() > 2 else 0.0
            print(f"{name:<11}{len(rows):>8}{medians:>44}{slope:>+10.1f}")
