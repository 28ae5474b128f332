"""Capture processes share sources, and another one continues after a kill, a stop or a lost server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import StateEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server
from tests.integration.capture_harness import (
    CHUNKS,
    PATTERN,
    capture,
    chunks,
    counters,
    give_back_credit,
    has_chunks,
    is_state,
    spec,
    state,
)
from tests.integration.waiting import expire_key, until, until_true


async def kill(context: Context) -> None:
    """Ends a process as kill -9 does: it writes nothing more, and its leases expire."""
    for task in asyncio.all_tasks():
        if task.get_name().startswith(("session:", "lease:")):
            task.cancel()


def accounted(counts: dict[str, int]) -> bool:
    dropped = sum(n for name, n in counts.items() if name.startswith("dropped:"))
    return counts["due"] == counts.get("published", 0) + dropped


async def test_next_process_continues_a_killed_run(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(credit=3))
    async with capture(settings, "c1") as first:
        await until(has_chunks(bus, 3))
        await kill(first)
        giver = asyncio.create_task(give_back_credit(bus))
        async with capture(settings, "c2"):
            await until(is_state(bus, "ended"))
        giver.cancel()
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == list(range(CHUNKS + 1))
    assert len({chunk.run for chunk in found}) == 1
    times = [chunk.pts_s for chunk in found[:-1]]
    assert np.allclose(np.diff(times), 0.5, atol=0.04)
    counts = await counters(bus)
    assert (counts["due"], counts["published"]) == (CHUNKS, CHUNKS)


async def test_stopped_process_passes_its_file_on(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(credit=3))
    async with capture(settings, "c1"):
        await until(has_chunks(bus, 3))
    assert await state(bus) == "waiting"
    giver = asyncio.create_task(give_back_credit(bus))
    async with capture(settings, "c2"):
        await until(is_state(bus, "ended"))
    giver.cancel()
    assert [chunk.seq for chunk in await chunks(bus)] == list(range(CHUNKS + 1))
    assert accounted(await counters(bus))


@pytest.mark.parametrize("lossless", [True, False])
async def test_ended_file_is_not_played_again(bus: Bus, settings: Settings, lossless: bool) -> None:
    await add_source(bus, spec(lossless=lossless))
    async with capture(settings, "c1"):
        await until(is_state(bus, "ended"))
        before = len(await chunks(bus))
        async with capture(settings, "c2"):
            await asyncio.sleep(0.5)
    assert len(await chunks(bus)) == before
    assert await state(bus) == "ended"


async def test_processes_share_the_sources(bus: Bus, settings: Settings) -> None:
    names = [f"s{i}" for i in range(6)]
    for name in names:
        await add_source(bus, spec(source_id=name))
    async with capture(settings, "c1"), capture(settings, "c2"), capture(settings, "c3"):
        for name in names:
            await until(is_state(bus, "ended", source_id=name))
    for name in names:
        found = await chunks(bus, name)
        assert [chunk.seq for chunk in found] == list(range(CHUNKS + 1)), name


async def test_process_respects_its_source_limit(bus: Bus, settings: Settings) -> None:
    one = settings.model_copy(update={"capture": settings.capture.model_copy(update={"max_sources": 1})})
    for name in ("s1", "s2"):
        await add_source(bus, spec(PATTERN + "&seconds=0", source_id=name, lossless=False, realtime=True))
    async with capture(one, "c1"):

        async def states() -> list[str]:
            return sorted([await state(bus, name) for name in ("s1", "s2")])

        async def one_plays() -> bool:
            return "playing" in await states()

        async def one_waits() -> bool:
            return "waiting" in await states()

        await until(one_plays)
        await until(one_waits)
        await asyncio.sleep(0.5)
        assert await states() == ["playing", "waiting"]
        (waiting,) = [name for name in ("s1", "s2") if await state(bus, name) == "waiting"]
        run = bus.keys(waiting).run(waiting)
        reason = (await bus.redis.hget(run, "detail")).decode()
        assert reason.startswith("every capture process is full (1 sources each, capture.max_sources); start another")
        rows = await bus.redis.xrange(bus.keys(waiting).feedback(waiting))
        (told,) = [unpack_event(fields[FIELD]) for _id, fields in rows]
        assert isinstance(told, StateEvent) and (told.state, told.detail) == ("waiting", reason)
        async with capture(one, "c2"):
            await until(is_state(bus, "playing", source_id="s1"))
            await until(is_state(bus, "playing", source_id="s2"))


async def test_lossless_run_survives_a_server_restart(own_server: Server, own_bus: Bus) -> None:
    bus = own_bus
    short = bus.settings.model_copy(update={"bus": bus.settings.bus.model_copy(update={"lease_ms": 600})})
    await add_source(bus, spec(PATTERN + "&seconds=20", credit=5))
    async with capture(short) as context:
        await until(has_chunks(bus, 5))
        own_server.kill()
        await until_true(lambda: context.health.status().busy == 0)  # its lease has expired
        own_server.start()
        await bus.ready(60)
        giver = asyncio.create_task(give_back_credit(bus))
        await until(is_state(bus, "ended"))
        giver.cancel()
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == list(range(40))
    assert found[-1].end and len({chunk.run for chunk in found}) == 1
    assert accounted(await counters(bus))


async def test_camera_survives_a_short_server_outage(own_server: Server, own_bus: Bus) -> None:
    bus = own_bus
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(bus.settings):
        await until(has_chunks(bus, 1))
        own_server.kill()
        own_server.start()
        await bus.ready(60)
        before = len(await chunks(bus))
        await until(has_chunks(bus, before + 4))
    for run in {chunk.run for chunk in await chunks(bus)}:
        ours = [chunk for chunk in await chunks(bus) if chunk.run == run]
        assert [chunk.seq for chunk in ours] == list(range(len(ours)))


async def test_lost_lease_stops_all_writes(bus: Bus, settings: Settings) -> None:
    keys = bus.keys("cam1")
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 1))
        # As another process does after this one was suspended for longer than a lease.
        await bus.redis.set(keys.lease("capture:cam1"), "another")
        await bus.redis.incr(keys.fence("capture:cam1"))
        before = len(await chunks(bus))
        await asyncio.sleep(1.5)
        assert len(await chunks(bus)) == before
        await expire_key(bus, keys.lease("capture:cam1"))
        await until(has_chunks(bus, before + 1))  # the other owner is gone: the run goes on
    found = await chunks(bus)
    assert len({chunk.run for chunk in found}) == 1
    assert [chunk.seq for chunk in found] == list(range(len(found)))
    assert min(np.diff([chunk.pts_s for chunk in found])) > 0


async def test_real_process_is_killed_and_followed(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    """After kill -9 in the middle of a file the next process continues the run and exits with 0 when stopped."""

    def start(name: str) -> subprocess.Popen[bytes]:
        flags = ["--redis", settings.redis.url, "--name", name]
        flags += ["--set", "bus.lease_ms=600", "--set", f"runtime.dir={tmp_path}"]
        return subprocess.Popen([sys.executable, "-m", "cornerman_capture", *flags], stderr=subprocess.DEVNULL)

    await add_source(bus, spec(credit=3))
    first = start("c1")
    await until(has_chunks(bus, 3))
    first.kill()
    first.wait()
    second = start("c2")
    giver = asyncio.create_task(give_back_credit(bus))
    await until(is_state(bus, "ended"))
    giver.cancel()
    second.terminate()
    assert await asyncio.to_thread(second.wait, 60) == 0
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == list(range(CHUNKS + 1))
    assert len({chunk.run for chunk in found}) == 1
