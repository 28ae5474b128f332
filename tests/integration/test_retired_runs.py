"""Arrays of a run that was replaced or removed are freed long before their time to live."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_decider import retired_runs
from cornerman_decider.retired_runs import RetiredRuns
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.registry import add_source, remove_source, update_source
from cornerman_shared.bus.runs import begin_run
from cornerman_shared.settings.source import SourceSpec
from tests.integration.decider_harness import decider
from tests.integration.service_harness import SOURCE
from tests.integration.waiting import until

PUBLISHED = 3


async def blobs(bus: Bus) -> list[bytes]:
    return [key async for key in bus.blobs.scan_iter(match="*:blob:*")]


async def put(bus: Bus, seq: int, array: str, run: str = "r1") -> None:
    await bus.put_blob(bus.keys(SOURCE).blob(SOURCE, run, seq, array), np.zeros(8, np.uint8), 3_600)


async def run_with_arrays(bus: Bus) -> Lease:
    """A run of three chunks: pixels of the last two, and of one that was refused; tokens of the first."""
    keys = bus.keys(SOURCE)
    lease = Lease(bus, keys, f"capture:{SOURCE}", "c1")
    assert await lease.acquire()
    await begin_run(bus, SOURCE, "r1", "test://one", lease, resume=False)
    await bus.redis.hset(keys.run(SOURCE), "published", PUBLISHED)
    for seq, array in ((0, "context"), (0, "video"), (1, "frames"), (2, "frames"), (PUBLISHED, "frames")):
        await put(bus, seq, array)
    return lease


@pytest.mark.parametrize("end", ["remove", "replace", "another run"])
async def test_arrays_of_ended_run_are_freed(bus: Bus, end: str) -> None:
    await add_source(bus, SourceSpec(source_id=SOURCE, url="test://one"))
    lease = await run_with_arrays(bus)
    await put(bus, 1, "frames", run="r2")  # of the run after it
    if end == "remove":
        await remove_source(bus, SOURCE)
    elif end == "replace":
        await update_source(bus, SOURCE, {"url": "test://two"})
    else:
        await begin_run(bus, SOURCE, "r2", "test://one?watch=other", lease, resume=True)
    assert len(await blobs(bus)) == 6
    async with decider(bus):
        await until(lambda: only_one(bus))
    assert [key for key in await blobs(bus) if b":r2:" not in key] == []


async def only_one(bus: Bus) -> bool:
    return len(await blobs(bus)) == 1


async def test_late_arrays_are_freed_after_crash(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_source(bus, SourceSpec(source_id=SOURCE, url="test://one"))
    await run_with_arrays(bus)
    await remove_source(bus, SOURCE)
    keys = bus.keys(SOURCE)
    assert 0 < await bus.redis.ttl(keys.retired) <= 3_600
    assert await RetiredRuns(bus, keys).sweep() == 5  # then its process is killed
    await put(bus, 2, "video")  # by an encoder that had the chunk in hand
    retired = RetiredRuns(bus, keys)
    assert await retired.sweep() == 1 and await retired.sweep() == 0
    assert await bus.redis.exists(keys.retired)
    monkeypatch.setattr(retired_runs, "AGAIN_S", 0.0)
    await put(bus, 2, "context")
    assert await retired.sweep() == 1
    assert await blobs(bus) == [] and not await bus.redis.exists(keys.retired)
