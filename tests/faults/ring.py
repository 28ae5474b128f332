"""The source of the fault tests: a lossless pattern with an exact number of chunks, and the check of its history."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.source import SourceSpec
from tests.faults.history import check
from tests.faults.service_group import ServiceGroup, counters, events

FORM = os.environ.get("CORNERMAN_FAULTS", "")
"""`long`, or the number of chunks of a long run on a busy machine; else the short form."""
LONG = FORM == "long" or FORM.isdecimal()
CHUNKS = int(FORM) if FORM.isdecimal() else 2_000 if LONG else 160
FPS = 32
FINISHED_S = 3_000 if LONG else 600
"""When a run that has not come to its end hangs: far above what it takes, also on a machine that is held up."""


def source(chunks: int, **watch: Any) -> SourceSpec:
    """A pattern of that many chunks, lossless unless told otherwise; every fifth chunk has feedback."""
    return SourceSpec.model_validate(
        {
            "source_id": "ring",
            "url": f"test://pattern?fps={FPS}&seconds={chunks * 8 / FPS:g}&size=64x48",
            "watch": {"sample_fps": FPS, "overlap": 0, "lossless": True, "realtime": False, "credit": 8, **watch},
            "speak": {"strategy": "rules", "every_chunks": 5, "min_interval_s": 0.5},
        }
    )


async def verify(bus: Bus, chunks: int) -> dict[str, int]:
    """Checks the whole history of a source with one run; returns its counters."""
    counted = await counters(bus, "ring")
    wrong = check(await events(bus, "ring"), counted, published=chunks)
    assert wrong == [], f"{wrong[:10]} of {len(wrong)}; {counted}"
    assert counted["requests"] >= counted["decided"] // 5 - 1, counted
    return counted


async def decided(bus: Bus, group: ServiceGroup, least: int) -> None:
    """Waits until a number of chunks have been decided."""
    async with asyncio.timeout(FINISHED_S):
        while (await counters(bus, "ring")).get("decided", 0) < least:
            group.revive()
            await asyncio.sleep(0.05)
