"""Blobs on a server of their own: the append-only file of the other stays small, and nothing needs both at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from cornerman.cli import invoke
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.registry import add_source
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.bus.system_health import system_health
from cornerman_shared.errors import BlobExpiredError, RetryableError
from cornerman_shared.settings.tree import Settings
from tests.conftest import Server
from tests.integration.capture_harness import CHUNKS, capture, chunks, counters, has_chunks, is_state, spec
from tests.integration.waiting import until

LOGGED_BYTES = 16_384
"""Most bytes in the append-only file for each chunk; its frames alone are half a megabyte."""

FULL_BYTES, ROOM_BYTES = 2**28, 2**40
"""`maxmemory` of which an idle server uses more, and less, than the settings' `full_at` of 0.001."""

FRAMES = np.arange(24, dtype=np.uint8).reshape(8, 3)


@pytest.fixture
def blob_server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "blobs"
    folder.mkdir()
    server = Server(find_binary(), folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def apart(settings: Settings, blob_server: Server) -> Settings:
    """Settings with the blobs on a second server."""
    return settings.model_copy(
        update={"redis": settings.redis.model_copy(update={"blobs_url": blob_server.url, "full_at": 0.001})}
    )


@pytest.fixture
async def two(apart: Settings, bus: Bus) -> AsyncIterator[Bus]:
    """A bus on both servers; `bus` sees the first one only."""
    async with Bus.connect(apart) as two:
        await two.ready(60)
        yield two


def test_log_stays_small(
    tmp_path: Path, short_clip: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORNERMAN_REDIS_URL", raising=False)
    data = tmp_path / "data"
    flags = [f"--set=runtime.dir={tmp_path / 'run'}", f"--set=redis.data_dir={data}"]
    assert invoke(["run", short_clip, "--lossless", "--json", "--encoder", "fake", "--generator", "echo", *flags]) == 0
    (counts,) = json.loads(capfd.readouterr().out.splitlines()[-1])["sources"].values()
    logged = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    assert counts["decided"] > 40
    assert logged / counts["decided"] < LOGGED_BYTES


async def test_blob_lives_on_its_own_server(two: Bus, bus: Bus) -> None:
    ref = await two.put_blob("{cm0}:blob:cam:r:0:frames", FRAMES, 60)
    assert not await bus.redis.exists(ref.key)
    assert np.array_equal(await two.get_blob(ref), FRAMES)
    await two.free_blobs([ref])
    with pytest.raises(BlobExpiredError):
        await two.get_blob(ref)


async def test_done_hop_frees_its_blobs(two: Bus) -> None:
    keys = two.keys("cam")
    kept = await two.put_blob("{cm0}:blob:cam:r:0:frames", FRAMES, 60)
    freed = await two.put_blob("{cm0}:blob:cam:r:1:frames", FRAMES, 60)
    refused = Hop().once(keys.open_requests, "none").free([kept]).count(keys.counters("cam"), "x")
    assert await refused.run(two.scripts) is HopResult.ONLY_SETTLED
    assert (await two.get_blob(kept)).shape == FRAMES.shape
    assert await Hop().free([freed]).count(keys.counters("cam"), "x").run(two.scripts) is HopResult.DONE
    with pytest.raises(BlobExpiredError):
        await two.get_blob(freed)
    assert int(await two.redis.hget(keys.counters("cam"), "x")) == 1


async def test_lost_blob_server_voids_no_hop(two: Bus, blob_server: Server) -> None:
    keys = two.keys("cam")
    ref = await two.put_blob("{cm0}:blob:cam:r:0:frames", FRAMES, 60)
    blob_server.kill()
    assert await Hop().free([ref]).count(keys.counters("cam"), "x").run(two.scripts) is HopResult.DONE
    with pytest.raises(RetryableError):
        await two.get_blob(ref)
    blob_server.start()
    with pytest.raises(BlobExpiredError):
        await two.get_blob(ref)


async def test_capture_goes_on_when_blob_server_is_back(two: Bus, apart: Settings, blob_server: Server) -> None:
    blob_server.kill()
    await add_source(two, spec())
    async with capture(apart):
        await until(is_state(two, "playing"))
        assert await chunks(two) == []
        blob_server.start()
        await until(is_state(two, "ended"))
    assert [chunk.seq for chunk in await chunks(two)] == list(range(CHUNKS + 1))


async def test_full_server_drops_live_chunks(two: Bus, apart: Settings) -> None:
    await two.blobs.config_set("maxmemory", ROOM_BYTES)
    await add_source(two, spec(lossless=False, realtime=True, loop=True))
    async with capture(apart):
        await until(has_chunks(two, 1))
        await two.blobs.config_set("maxmemory", FULL_BYTES)

        async def dropped() -> bool:
            return (await counters(two)).get("dropped:server_full", 0) > 0

        await until(dropped)
        problems = {problem.what: problem.reason for problem in (await system_health(two)).problems}
        assert "capture publishes nothing until there is room" in problems["server for blobs"]
        before = (await counters(two))["published"]
        await two.blobs.config_set("maxmemory", ROOM_BYTES)

        async def published_more() -> bool:
            return (await counters(two))["published"] > before

        await until(published_more)


async def test_refused_write_drops_live_chunk(two: Bus, apart: Settings) -> None:
    """Between two looks at the memory a server may fill up: the write that it refuses is a drop, and nothing hangs."""
    late = apart.model_copy(update={"redis": apart.redis.model_copy(update={"full_at": 1.0})})
    await add_source(two, spec(lossless=False, realtime=True, loop=True))
    async with capture(late):
        await until(has_chunks(two, 1))
        await two.blobs.config_set("maxmemory", 1)

        async def dropped() -> bool:
            return (await counters(two)).get("dropped:server_full", 0) > 1

        await until(dropped)


async def test_lossless_waits_for_room(two: Bus, apart: Settings) -> None:
    await two.blobs.config_set("maxmemory", FULL_BYTES)
    await add_source(two, spec())
    async with capture(apart):
        await until(is_state(two, "playing"))
        await two.blobs.config_set("maxmemory", ROOM_BYTES)
        await until(is_state(two, "ended"))
    assert [chunk.seq for chunk in await chunks(two)] == list(range(CHUNKS + 1))
    assert "dropped:server_full" not in await counters(two)
