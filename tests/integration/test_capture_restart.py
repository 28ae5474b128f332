"""Stopping a service gracefully ends no source: the next process goes on with it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cornerman_shared.bus.codec import pack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, StateEvent
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.settings.tree import Settings
from tests.integration import decider_harness, generator_harness, test_encoder_service
from tests.integration.capture_harness import (
    PATTERN,
    capture,
    chunks,
    counters,
    give_back_credit,
    has_chunks,
    is_state,
    spec,
)
from tests.integration.rtsp_camera import camera
from tests.integration.service_harness import SOURCE, events
from tests.integration.test_capture_network import write
from tests.integration.waiting import until
from tests.integration.web_camera import JPEG, Files, Mjpeg, serving

ENDLESS = PATTERN + "&seconds=0"


@contextlib.contextmanager
def address(kind: str, folder: Path) -> Iterator[str]:
    """A source of that kind; files are long enough not to end within the test."""
    if kind == "file":
        yield str(write(folder / "clip.mp4", 30.0))
    elif kind == "http":
        write(folder / "clip.mp4", 30.0, movflags="faststart")
        with serving(partial(Files, directory=str(folder))) as url:
            yield f"{url}/clip.mp4"
    elif kind == "mjpeg":
        with serving(Mjpeg) as url:
            yield f"{url}/stream"
    elif kind == "rtsp":
        with camera() as (_, place):
            yield f"rtsp://{place}"
    else:
        yield {"pattern": ENDLESS, "push": "push://cam1"}[kind]


@contextlib.asynccontextmanager
async def pushing(bus: Bus, kind: str) -> AsyncIterator[None]:
    """Pushes pictures as a browser does, for the push source."""

    async def push() -> None:
        for index in range(100_000):
            body = pack_map({"pts_s": index / 20, "jpeg": JPEG})
            await bus.redis.xadd(bus.keys("cam1").push("cam1"), {FIELD: body}, maxlen=50)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(push()) if kind == "push" else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


WATCH: dict[str, dict[str, Any]] = {
    "once": {"lossless": False, "realtime": True},
    "loop": {"lossless": False, "realtime": True, "loop": True},
    "lossless": {"lossless": True, "realtime": True, "credit": 2},
    "lossless-loop": {"lossless": True, "realtime": True, "loop": True, "credit": 2},
}
CASES = [
    *(("file", watch) for watch in WATCH),
    *((kind, "once") for kind in ("pattern", "http", "mjpeg", "rtsp", "push")),
    ("http", "lossless"),
]


@pytest.mark.parametrize(("kind", "watch"), CASES)
async def test_stopped_capture_ends_no_source(
    bus: Bus, settings: Settings, tmp_path: Path, kind: str, watch: str
) -> None:
    with address(kind, tmp_path) as url:
        await add_source(bus, spec(url, **WATCH[watch]))
        async with pushing(bus, kind):
            giver = asyncio.create_task(give_back_credit(bus))
            async with capture(settings, "c1"):
                await until(has_chunks(bus, 2))
            assert await is_state(bus, "waiting")()
            assert await bus.redis.hget(bus.keys("cam1").run("cam1"), "ended") == b"0"
            before = len(await chunks(bus))
            async with capture(settings, "c2"):
                await until(has_chunks(bus, before + 2))
            giver.cancel()
    await goes_on(bus)


async def goes_on(bus: Bus) -> None:
    """One run without an end: no number twice, none missing, never back in time, and the counters add up."""
    found = await chunks(bus)
    assert not [chunk for chunk in found if chunk.end]
    assert len({chunk.run for chunk in found}) == 1
    assert [chunk.seq for chunk in found] == list(range(len(found)))
    assert np.min(np.diff([chunk.pts_s for chunk in found])) > 0
    counted = await counters(bus)
    dropped = sum(count for name, count in counted.items() if name.startswith("dropped:"))
    assert counted["due"] == counted["published"] + dropped and counted["published"] == len(found)


@pytest.mark.parametrize(
    ("kind", "watch"),
    [("file", "once"), ("file", "loop"), ("file", "lossless"), ("pattern", "once"), ("mjpeg", "once")],
)
async def test_killed_capture_ends_no_source(
    bus: Bus, settings: Settings, tmp_path: Path, kind: str, watch: str
) -> None:
    """After kill -9 the next process goes on with the run."""
    flags = ["--redis", settings.redis.url, "--name", "c1", "--set", "bus.lease_ms=600"]
    command = [sys.executable, "-m", "cornerman_capture", *flags, "--set", f"runtime.dir={tmp_path / 'run'}"]
    with address(kind, tmp_path) as url:
        await add_source(bus, spec(url, **WATCH[watch]))
        giver = asyncio.create_task(give_back_credit(bus))
        first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            await until(has_chunks(bus, 2))
        finally:
            first.kill()
            first.wait()
        before = len(await chunks(bus))
        async with capture(settings, "c2"):
            await until(has_chunks(bus, before + 2))
        giver.cancel()
    await goes_on(bus)
    assert 0 < (await chunks(bus))[before].pts_s < 30


async def test_live_run_leaves_out_its_absence(bus: Bus, settings: Settings) -> None:
    """The media time of a live source has a gap of the time without capture; that of a file has none."""
    await add_source(bus, spec(ENDLESS, **WATCH["once"]))
    with address("mjpeg", Path()) as url:
        await add_source(bus, spec(url, "live", **WATCH["once"]))
        sources = ("cam1", "live")
        async with capture(settings, "c1"):
            for name in sources:
                await until(has_chunks(bus, 1, name))
        before = {name: len(await chunks(bus, name)) for name in sources}
        for name in sources:  # as if the newest chunk were published a minute ago
            await bus.redis.hincrbyfloat(bus.keys(name).run(name), "at_s", -60)
        async with capture(settings, "c2"):
            for name in sources:
                await until(has_chunks(bus, before[name] + 1, name))
    steps = {name: (await chunks(bus, name))[before[name]].pts_s for name in sources}
    ends = {name: (await chunks(bus, name))[before[name] - 1].pts_s for name in sources}
    assert steps["live"] - ends["live"] >= 60
    assert steps["cam1"] - ends["cam1"] < 5


async def test_file_finished_while_stopping_stays_finished(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(lossless=False))
    async with capture(settings, "c1"):
        await until(is_state(bus, "ended"))
    async with capture(settings, "c2") as context:
        await add_source(bus, spec(source_id="probe"))
        await until(is_state(bus, "ended", source_id="probe"))
        assert context.health.status().busy <= 1
    assert await is_state(bus, "ended")()
    assert sum(chunk.end for chunk in await chunks(bus)) == 1


class Services:
    """Capture, encoder, decider and generator of one pipeline, in this process; each can be restarted."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.starts: dict[str, Callable[[str], contextlib.AbstractAsyncContextManager[object]]] = {
            "capture": lambda name: capture(settings, name),
            "encoder": lambda name: test_encoder_service.worker(bus, name=name),
            "decider": lambda name: decider_harness.decider(bus, name),
            "generator": lambda name: generator_harness.worker(bus, name=name),
        }
        self.running: dict[str, contextlib.AsyncExitStack] = {}

    async def start(self, role: str, name: str) -> None:
        self.running[role] = contextlib.AsyncExitStack()
        await self.running[role].enter_async_context(self.starts[role](name))

    async def stop(self, role: str) -> None:
        await self.running.pop(role).aclose()


async def test_graceful_restarts_lose_nothing(bus: Bus, settings: Settings) -> None:
    speak = {"strategy": "interval", "interval_s": 2.0, "min_interval_s": 0.0}
    given = spec(PATTERN + "&seconds=30", SOURCE, credit=2).model_dump()
    await add_source(bus, type(spec()).model_validate({**given, "speak": speak}))
    services = Services(bus, settings)
    for role in services.starts:
        await services.start(role, f"{role}-0")
    for role in services.starts:
        decided = len(await decider_harness.decided(bus))
        await services.stop(role)
        await services.start(role, f"{role}-1")
        await until(partial(decider_harness.has_decided, bus, decided + 1))

    async def over() -> bool:
        return any(event.state == "ended" for event in await events(bus, StateEvent))

    await until(over)
    for role in services.starts:
        await services.stop(role)
    decisions = await events(bus, DecisionEvent)
    assert [decision.seq for decision in decisions] == list(range(len(decisions)))
    assert {decision.status for decision in decisions} == {"ok"}
    assert await bus.redis.hlen(bus.keys(SOURCE).open_requests) == 0
