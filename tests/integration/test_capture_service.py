"""The capture service against a real server: chunks, credit, order, hand-over between processes, live changes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from services.capture.service import serve
from services.jpeg import JpegMaker
from shared.bus import Bus
from shared.clock import SystemClock
from shared.codec import pack_map, unpack, unpack_map
from shared.config import Settings
from shared.health import Health
from shared.logs import get_logger
from shared.messages import Chunk, ErrorEvent, StateEvent
from shared.metrics import Metrics
from shared.publish import credit_member
from shared.registry import add_source, remove_source, update_source
from shared.runtime import Context
from shared.source import SourceSpec, WatchSettings
from shared.streams import FIELD
from tests.conftest import Server

PATTERN = "test://pattern?fps=30&seconds=6&size=64x36"
CHUNKS = 11  # of 6 s at 8 FPS with an overlap of 4


@asynccontextmanager
async def capture(settings: Settings, name: str = "c1") -> AsyncIterator[Context]:
    """A capture process in all but name, with connections of its own. Stopped gently at the end."""
    clock = SystemClock()
    async with Bus.connect(settings, clock) as bus:
        context = Context(settings, bus, clock, name, Health("capture", name, clock), Metrics(), get_logger("capture"))
        async with asyncio.TaskGroup() as tasks:
            context._tasks = tasks
            tasks.create_task(serve(context))
            yield context
            context.stopping.set()


async def kill(context: Context) -> None:
    """As kill -9 would: nothing more is said on the bus, leases are left to run out."""
    for task in asyncio.all_tasks():
        if task.get_name().startswith(("session:", "lease:")):
            task.cancel()


async def until(condition: Callable[[], Awaitable[object]], within_s: float = 15.0) -> None:
    give_up_at_s = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < give_up_at_s, "it did not come to pass"
        await asyncio.sleep(0.02)


def spec(url: str = PATTERN, source_id: str = "cam1", **watch: object) -> SourceSpec:
    given = {"realtime": False, "lossless": True, "credit": 64, **watch}
    return SourceSpec(source_id=source_id, url=url, watch=WatchSettings.model_validate(given))


async def chunks(bus: Bus, source_id: str = "cam1") -> list[Chunk]:
    entries = await bus.redis.xrange(bus.keys(source_id).chunks)
    found = [unpack(fields[FIELD], Chunk) for _id, fields in entries]
    return [chunk for chunk in found if chunk.source_id == source_id]


async def state(bus: Bus, source_id: str = "cam1") -> str:
    return (await bus.redis.hget(bus.keys(source_id).run(source_id), "state") or b"").decode()


async def counters(bus: Bus, source_id: str = "cam1") -> dict[str, int]:
    rows = await bus.redis.hgetall(bus.keys(source_id).counters(source_id))
    return {name.decode(): int(count) for name, count in rows.items()}


async def events(bus: Bus, source_id: str = "cam1") -> list[object]:
    from shared.codec import unpack_event

    return [
        unpack_event(fields[FIELD]) for _id, fields in await bus.redis.xrange(bus.keys(source_id).feedback(source_id))
    ]


def is_state(bus: Bus, *wanted: str, source_id: str = "cam1") -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await state(bus, source_id) in wanted

    return look


def has_chunks(bus: Bus, n: int, source_id: str = "cam1") -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(await chunks(bus, source_id)) >= n

    return look


async def give_back_credit(bus: Bus, source_id: str = "cam1") -> None:
    """What a decider does: every chunk seen gives its credit back."""
    given = 0
    while True:
        for chunk in (await chunks(bus, source_id))[given:]:
            given += 1
            await bus.redis.zrem(bus.keys(source_id).inflight(source_id), credit_member(chunk.run, chunk.seq))
        await asyncio.sleep(0.01)


def accounted(counts: dict[str, int]) -> bool:
    dropped = sum(n for name, n in counts.items() if name.startswith("dropped:"))
    return counts["due"] == counts.get("published", 0) + dropped


async def test_a_lossless_file_arrives_whole_and_is_marked_as_over(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec())
    async with capture(settings):
        await until(is_state(bus, "ended"))
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == list(range(CHUNKS + 1))
    assert [chunk.end for chunk in found] == [False] * CHUNKS + [True]
    assert len({chunk.run for chunk in found}) == 1
    counts = await counters(bus)
    assert (counts["captured"], counts["sampled"], counts["due"], counts["published"]) == (180, 48, CHUNKS, CHUNKS)
    first = found[0]
    assert first.frames is not None
    frames = await bus.get_blob(first.frames)
    assert frames.shape == (8, 224, 398, 3) and frames.dtype == np.uint8
    assert first.frame_pts_s == pytest.approx([i / 8 for i in range(8)], abs=1 / 60 + 1e-6)
    assert first.lossless and first.motion > 0 and not first.keep_frames
    assert first.times.published_at_s >= first.times.captured_at_s > time.time() - 60
    said = [event.state for event in await events(bus) if isinstance(event, StateEvent)]
    assert said == ["opening", "playing", "ended"]


async def test_without_credit_a_lossless_source_waits_and_loses_nothing(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(credit=2))
    async with capture(settings):
        await until(has_chunks(bus, 2))
        await asyncio.sleep(0.3)
        assert len(await chunks(bus)) == 2
        giver = asyncio.create_task(give_back_credit(bus))
        await until(is_state(bus, "ended"))
        giver.cancel()
    assert [chunk.seq for chunk in await chunks(bus)] == list(range(CHUNKS + 1))
    assert "dropped:no_credit" not in await counters(bus)


async def test_without_credit_a_live_source_skips_and_counts(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(lossless=False, realtime=True, credit=2))
    began_s = time.monotonic()
    async with capture(settings):
        await until(is_state(bus, "ended"))
    assert 5.5 < time.monotonic() - began_s < 9  # it kept its own speed
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == [0, 1, 2]
    assert found[-1].end
    counts = await counters(bus)
    assert counts == counts | {"captured": 180, "due": CHUNKS, "published": 2, "dropped:no_credit": CHUNKS - 2}
    # Nothing is left behind of the chunks that were skipped.
    assert len(await bus.redis.keys("*blob*")) == 2


async def test_a_live_chunk_is_stamped_with_the_moment_of_its_newest_frame(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(lossless=False, realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 5))
    found = (await chunks(bus))[:5]
    starts = [chunk.times.captured_at_s - chunk.pts_s for chunk in found]
    assert max(starts) - min(starts) < 0.1
    assert all(chunk.times.published_at_s - chunk.times.captured_at_s < 0.2 for chunk in found)


async def test_a_killed_process_is_followed_by_another_that_goes_on_with_the_run(bus: Bus, settings: Settings) -> None:
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


async def test_a_process_that_stops_hands_its_file_on(bus: Bus, settings: Settings) -> None:
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
async def test_a_file_that_has_ended_is_not_played_again_by_another(
    bus: Bus, settings: Settings, lossless: bool
) -> None:
    await add_source(bus, spec(lossless=lossless))
    async with capture(settings, "c1"):
        await until(is_state(bus, "ended"))
        before = len(await chunks(bus))
        async with capture(settings, "c2"):
            await asyncio.sleep(0.5)
    assert len(await chunks(bus)) == before
    assert await state(bus) == "ended"


async def test_a_file_that_was_removed_and_added_again_is_played_again(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec())
    async with capture(settings):
        await until(is_state(bus, "ended"))
        await remove_source(bus, "cam1")
        await asyncio.sleep(0.3)
        await add_source(bus, spec())

        async def twice() -> bool:
            return sum(chunk.end for chunk in await chunks(bus)) == 2

        await until(twice)
    assert len({chunk.run for chunk in await chunks(bus)}) == 2


async def test_processes_share_the_sources_and_each_is_captured_once(bus: Bus, settings: Settings) -> None:
    names = [f"s{i}" for i in range(6)]
    for name in names:
        await add_source(bus, spec(source_id=name))
    async with capture(settings, "c1"), capture(settings, "c2"), capture(settings, "c3"):
        for name in names:
            await until(is_state(bus, "ended", source_id=name))
    for name in names:
        found = await chunks(bus, name)
        assert [chunk.seq for chunk in found] == list(range(CHUNKS + 1)), name


async def test_a_process_takes_no_more_sources_than_it_may(bus: Bus, settings: Settings) -> None:
    one = settings.model_copy(update={"capture": settings.capture.model_copy(update={"max_sources": 1})})
    for name in ("s1", "s2"):
        await add_source(bus, spec(PATTERN + "&seconds=0", source_id=name, lossless=False, realtime=True))
    async with capture(one, "c1"):
        await asyncio.sleep(1.0)
        states = [await state(bus, name) for name in ("s1", "s2")]
        assert sorted(states) == ["", "playing"]
        async with capture(one, "c2"):
            await until(is_state(bus, "playing", source_id="s1"))
            await until(is_state(bus, "playing", source_id="s2"))


async def test_a_change_of_credit_goes_on_with_the_run_and_a_change_of_overlap_begins_another(
    bus: Bus, settings: Settings
) -> None:
    await add_source(bus, spec(credit=2))
    async with capture(settings):
        await until(has_chunks(bus, 2))
        await update_source(bus, "cam1", {"watch": {"credit": 4}})
        await until(has_chunks(bus, 4))
        assert len({chunk.run for chunk in await chunks(bus)}) == 1
        await update_source(bus, "cam1", {"watch": {"overlap": 0, "credit": 64}})

        async def ended() -> bool:
            return sum(chunk.end for chunk in await chunks(bus)) == 2

        await until(ended)
    found = await chunks(bus)
    runs = list(dict.fromkeys(chunk.run for chunk in found))
    first, second = ([c for c in found if c.run == run] for run in runs)
    assert [c.seq for c in first] == list(range(len(first))) and first[-1].end
    assert 5 <= len(first) < CHUNKS  # the marker says how many came before the change
    assert [c.seq for c in second] == list(range(7)) and second[-1].end  # 48 frames in eights, and the marker
    assert second[1].frame_pts_s[0] > second[0].frame_pts_s[-1]


async def test_a_paused_source_gives_nothing_and_goes_on_when_resumed(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 2))
        await update_source(bus, "cam1", {"paused": True})
        await until(is_state(bus, "paused"))
        before = len(await chunks(bus))
        await asyncio.sleep(1.0)
        assert len(await chunks(bus)) == before
        await update_source(bus, "cam1", {"paused": False})
        await until(is_state(bus, "ended"))
    assert [chunk.seq for chunk in await chunks(bus)] == list(range(CHUNKS + 1))


async def test_a_removed_source_stops_within_a_second(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(settings) as context:
        await until(has_chunks(bus, 1))
        await remove_source(bus, "cam1")
        began_s = time.monotonic()
        lease = bus.keys("cam1").lease("capture:cam1")

        async def released() -> bool:
            return not await bus.redis.exists(lease)

        await until(released)
        assert time.monotonic() - began_s < 1.5
        assert context.health.status().busy == 0 or not context.stopping.is_set()
    found = await chunks(bus)
    assert found[-1].end and found[-1].seq == len(found) - 1


async def test_a_source_that_cannot_be_opened_fails_for_all_to_see(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec("/no/such/clip.mp4"))
    async with capture(settings), capture(settings, "c2"):
        await until(is_state(bus, "failed"))
        await asyncio.sleep(0.5)
    said = await events(bus)
    errors = [event for event in said if isinstance(event, ErrorEvent)]
    assert len(errors) == 1
    assert errors[0].stage == "capture" and "/no/such/clip.mp4" in errors[0].message
    assert [event.state for event in said if isinstance(event, StateEvent)] == ["opening", "failed"]
    assert [chunk.end for chunk in await chunks(bus)] == [True]


async def test_credentials_are_on_no_stream(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec("rtsp://admin:s3cret@127.0.0.1:9/live", lossless=False))
    async with capture(settings):
        await until(is_state(bus, "reconnecting"))
    for key in await bus.redis.keys("*"):
        if await bus.redis.type(key) == b"stream":
            assert b"s3cret" not in repr(await bus.redis.xrange(key)).encode()
    assert b"s3cret" not in repr(await bus.redis.hgetall(bus.keys("cam1").run("cam1"))).encode()


async def test_pixels_are_kept_for_a_generator_that_looks_at_them(bus: Bus, settings: Settings) -> None:
    generator = settings.generator.model_copy(update={"backend": "openai"})
    await add_source(bus, spec())
    async with capture(settings.model_copy(update={"generator": generator})):
        await until(has_chunks(bus, 1))
    assert (await chunks(bus))[0].keep_frames


async def test_pictures_are_shown_only_while_somebody_watches(bus: Bus, settings: Settings) -> None:
    keys = bus.keys("cam1")
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 1))
        assert not await bus.redis.exists(keys.display("cam1"))
        await bus.redis.set(keys.watching("cam1"), 1, px=1500)

        async def shown() -> bool:
            return int(await bus.redis.xlen(keys.display("cam1"))) >= 30

        await until(shown)
        entries = await bus.redis.xrange(keys.display("cam1"))
        shots = [unpack_map(fields[FIELD]) for _id, fields in entries]
        assert all(set(shot) == {"run", "pts_s", "at_s", "jpeg"} for shot in shots)
        steps = np.diff([shot["pts_s"] for shot in shots])
        assert np.median(steps) == pytest.approx(1 / 30, abs=0.002)
        assert shots[0]["jpeg"].startswith(b"\xff\xd8")

        async def dark() -> bool:
            before = await bus.redis.xlen(keys.display("cam1"))
            await asyncio.sleep(0.3)
            return bool(before == await bus.redis.xlen(keys.display("cam1")))

        await until(dark)
        assert await bus.redis.ttl(keys.display("cam1")) > 0


async def test_frames_that_a_browser_pushes_become_chunks(bus: Bus, settings: Settings) -> None:
    keys = bus.keys("phone")
    maker = JpegMaker(320, 80)
    await add_source(bus, spec("push://phone", "phone", lossless=False, realtime=True, sample_fps=20))

    async def push() -> None:
        for index in range(100_000):
            rgb = np.full((90, 160, 3), index % 200, np.uint8)
            jpeg = maker.jpeg(av.VideoFrame.from_ndarray(rgb, format="rgb24"))
            body = pack_map({"pts_s": 1000 + index / 50, "jpeg": jpeg})
            await bus.redis.xadd(keys.push("phone"), {FIELD: body if index % 10 else b"rubbish"}, maxlen=50)
            await asyncio.sleep(0.02)

    async with capture(settings):
        pusher = asyncio.create_task(push())
        await until(has_chunks(bus, 3, "phone"))
        assert await state(bus, "phone") == "playing"
        pusher.cancel()
    found = await chunks(bus, "phone")
    assert found[0].frames is not None and found[0].frames.shape == (8, 224, 398, 3)
    assert found[0].frame_pts_s[0] == pytest.approx(0.0, abs=0.5)


async def test_a_real_file_arrives(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(100):
            rgb = np.full((240, 320, 3), index * 2, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    await add_source(bus, spec(str(path)))
    async with capture(settings):
        await until(is_state(bus, "ended"))
    found = await chunks(bus)
    assert len(found) == 8 and found[-1].end
    assert found[0].frames is not None and found[0].frames.shape == (8, 224, 299, 3)


async def test_a_restarted_server_is_waited_for_and_a_lossless_run_goes_on(own_server: Server, own_bus: Bus) -> None:
    bus = own_bus
    await add_source(bus, spec(PATTERN + "&seconds=20", credit=5))
    async with capture(bus.settings):
        await until(has_chunks(bus, 5))
        own_server.kill()
        await asyncio.sleep(1.0)  # longer than the lease
        own_server.start()
        await bus.ready(10)
        giver = asyncio.create_task(give_back_credit(bus))
        await until(is_state(bus, "ended"))
        giver.cancel()
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == list(range(40))
    assert found[-1].end and len({chunk.run for chunk in found}) == 1
    assert accounted(await counters(bus))


async def test_a_camera_plays_on_when_the_server_is_away_for_a_moment(own_server: Server, own_bus: Bus) -> None:
    bus = own_bus
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(bus.settings):
        await until(has_chunks(bus, 1))
        own_server.kill()
        own_server.start()
        await bus.ready(10)
        before = len(await chunks(bus))
        await until(has_chunks(bus, before + 4))
    for run in {chunk.run for chunk in await chunks(bus)}:
        ours = [chunk for chunk in await chunks(bus) if chunk.run == run]
        assert [chunk.seq for chunk in ours] == list(range(len(ours)))


async def test_a_process_whose_lease_was_taken_writes_nothing_more(bus: Bus, settings: Settings) -> None:
    keys = bus.keys("cam1")
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 1))
        # What another process would do after we were frozen for longer than a lease.
        await bus.redis.set(keys.lease("capture:cam1"), "another", px=2000)
        await bus.redis.incr(keys.fence("capture:cam1"))
        before = len(await chunks(bus))
        await asyncio.sleep(1.5)
        assert len(await chunks(bus)) == before
        await until(has_chunks(bus, before + 1))  # the other is gone: ours again, as a new run
    assert len({chunk.run for chunk in await chunks(bus)}) == 2


async def test_as_a_process_it_is_killed_followed_and_stopped(bus: Bus, settings: Settings, tmp_path: Path) -> None:
    """kill -9 in the middle of a file; the next process goes on with the run, and ends with 0 when told to."""

    def start(name: str) -> subprocess.Popen[bytes]:
        flags = ["--redis", settings.redis.url, "--name", name]
        flags += ["--set", "bus.lease_ms=600", "--set", f"runtime.dir={tmp_path}"]
        return subprocess.Popen([sys.executable, "-m", "services.capture", *flags], stderr=subprocess.DEVNULL)

    await add_source(bus, spec(credit=3))
    first = start("c1")
    await until(has_chunks(bus, 3), 30)
    first.kill()
    first.wait()
    second = start("c2")
    giver = asyncio.create_task(give_back_credit(bus))
    await until(is_state(bus, "ended"), 30)
    giver.cancel()
    second.terminate()
    assert await asyncio.to_thread(second.wait, 10) == 0
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == list(range(CHUNKS + 1))
    assert len({chunk.run for chunk in found}) == 1
