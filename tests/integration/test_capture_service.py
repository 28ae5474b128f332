"""The capture service on a real server: chunks, credit, live changes, previews and pushed frames."""

from __future__ import annotations

import asyncio
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.bus.codec import pack_map, unpack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import ErrorEvent, StateEvent
from cornerman_shared.bus.registry import add_source, remove_source, update_source
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.clock import SystemClock
from cornerman_shared.settings.tree import Settings
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
)
from tests.integration.waiting import expire_key, until


async def events(bus: Bus, source_id: str = "cam1") -> list[object]:
    from cornerman_shared.bus.codec import unpack_event

    return [
        unpack_event(fields[FIELD]) for _id, fields in await bus.redis.xrange(bus.keys(source_id).feedback(source_id))
    ]


async def test_lossless_file_is_published_completely(bus: Bus, settings: Settings) -> None:
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
    assert first.times.published_at_s >= first.times.captured_at_s > time.time() - 600
    said = [event.state for event in await events(bus) if isinstance(event, StateEvent)]
    assert said == ["opening", "playing", "ended"]


async def test_lossless_source_waits_for_credit(bus: Bus, settings: Settings) -> None:
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


async def test_live_source_drops_without_credit(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(lossless=False, realtime=True, credit=2))
    began_s = time.monotonic()
    async with capture(settings):
        await until(is_state(bus, "ended"))
    assert time.monotonic() - began_s > 5.5  # paced at media speed
    found = await chunks(bus)
    assert [chunk.seq for chunk in found] == [0, 1, 2]
    assert found[-1].end
    counts = await counters(bus)
    assert counts == counts | {"captured": 180, "due": CHUNKS, "published": 2}
    # On a busy machine the queue may drop some before credit is checked.
    assert counts["dropped:no_credit"] + counts.get("dropped:behind", 0) == CHUNKS - 2
    assert counts["dropped:no_credit"] > 0
    # The pixels of dropped chunks are freed.
    assert len(await bus.redis.keys("*blob*")) == 2


async def test_live_chunk_has_its_capture_time(bus: Bus, settings: Settings) -> None:
    class Noting(SystemClock):
        """Clock that records its readings in the decoding thread: one for each sampled frame."""

        def now_s(self) -> float:
            now_s = super().now_s()
            if threading.current_thread().name == "decoder":
                said.append(now_s)
            return now_s

    said: list[float] = []
    await add_source(bus, spec(lossless=False, realtime=True))
    async with capture(settings, clock=Noting()):
        await until(has_chunks(bus, 5))
    for chunk in (await chunks(bus))[:5]:
        assert chunk.times.captured_at_s == said[round(chunk.pts_s * 8)]
        assert chunk.times.published_at_s >= chunk.times.captured_at_s


async def test_readded_file_is_played_again(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec())
    async with capture(settings):
        await until(is_state(bus, "ended"))
        await remove_source(bus, "cam1")

        async def forgotten() -> bool:
            return not await bus.redis.hexists(bus.keys("cam1").run("cam1"), "url")

        await until(forgotten)
        await add_source(bus, spec())

        async def twice() -> bool:
            return sum(chunk.end for chunk in await chunks(bus)) == 2

        await until(twice)
    assert len({chunk.run for chunk in await chunks(bus)}) == 2


async def test_only_overlap_change_starts_a_run(bus: Bus, settings: Settings) -> None:
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
    assert 5 <= len(first) < CHUNKS  # the end marker counts the chunks before the change
    assert [c.seq for c in second] == list(range(7)) and second[-1].end  # 48 frames in chunks of 8, and the end marker
    assert second[1].frame_pts_s[0] > second[0].frame_pts_s[-1]


async def test_paused_source_publishes_nothing(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 2))
        await update_source(bus, "cam1", {"paused": True})
        await until(is_state(bus, "paused"))

        async def all_out() -> bool:  # chunks from before the pause; counters are written each half second
            before = await counters(bus)
            await asyncio.sleep(0.6)
            return before["published"] == before["due"] and before == await counters(bus)

        await until(all_out)
        before = len(await chunks(bus))
        await asyncio.sleep(1.0)
        assert len(await chunks(bus)) == before
        await update_source(bus, "cam1", {"paused": False})
        await until(is_state(bus, "ended"))
    assert [chunk.seq for chunk in await chunks(bus)] == list(range(CHUNKS + 1))


async def test_removed_source_releases_its_lease(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(settings) as context:
        await until(has_chunks(bus, 1))
        await remove_source(bus, "cam1")
        lease = bus.keys("cam1").lease("capture:cam1")

        async def released() -> bool:
            return not await bus.redis.exists(lease)

        await until(released)
        assert not context.stopping.is_set()
    # The registry's script ended the run; capture could write nothing behind it.
    assert not any(chunk.end for chunk in await chunks(bus))
    last = (await events(bus))[-1]
    assert isinstance(last, StateEvent) and (last.state, last.detail) == ("ended", "the source was removed")


async def test_unopenable_source_fails_visibly(bus: Bus, settings: Settings) -> None:
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


async def test_streams_hold_no_credentials(bus: Bus, settings: Settings) -> None:
    await add_source(bus, spec("rtsp://admin:s3cret@127.0.0.1:9/live", lossless=False))
    async with capture(settings):
        await until(is_state(bus, "reconnecting"))
    for key in await bus.redis.keys("*"):
        if await bus.redis.type(key) == b"stream":
            assert b"s3cret" not in repr(await bus.redis.xrange(key)).encode()
    assert b"s3cret" not in repr(await bus.redis.hgetall(bus.keys("cam1").run("cam1"))).encode()


async def test_pixels_are_kept_for_pixel_backends(bus: Bus, settings: Settings) -> None:
    generator = settings.generator.model_copy(update={"backend": "openai"})
    await add_source(bus, spec())
    async with capture(settings.model_copy(update={"generator": generator})):
        await until(has_chunks(bus, 1))
    assert (await chunks(bus))[0].keep_frames


async def test_previews_need_a_viewer(bus: Bus, settings: Settings) -> None:
    keys = bus.keys("cam1")
    await add_source(bus, spec(PATTERN + "&seconds=0", lossless=False, realtime=True))
    async with capture(settings):
        await until(has_chunks(bus, 1))
        assert not await bus.redis.exists(keys.display("cam1"))
        await bus.redis.set(keys.watching("cam1"), 1)

        async def shown() -> bool:
            return int(await bus.redis.xlen(keys.display("cam1"))) >= 30

        await until(shown)
        entries = await bus.redis.xrange(keys.display("cam1"))
        previews = [unpack_map(fields[FIELD]) for _id, fields in entries]
        assert all(set(preview) == {"run", "pts_s", "at_s", "jpeg"} for preview in previews)
        steps = np.diff([preview["pts_s"] for preview in previews])
        assert np.min(steps) == pytest.approx(1 / 30, abs=0.002)  # every frame, not only those that are sampled
        assert previews[0]["jpeg"].startswith(b"\xff\xd8")
        await expire_key(bus, keys.watching("cam1"))

        async def dark() -> bool:
            before = await bus.redis.xlen(keys.display("cam1"))
            await asyncio.sleep(0.3)
            return bool(before == await bus.redis.xlen(keys.display("cam1")))

        await until(dark)
        assert await bus.redis.ttl(keys.display("cam1")) > 0


async def test_pushed_frames_become_chunks(bus: Bus, settings: Settings) -> None:
    keys = bus.keys("phone")
    maker = JpegEncoder(320, 80)
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
        await until(is_state(bus, "playing", source_id="phone"))
        pusher.cancel()
        await asyncio.gather(pusher, return_exceptions=True)
    found = await chunks(bus, "phone")
    assert found[0].frames is not None and found[0].frames.shape == (8, 224, 398, 3)
    assert 0 <= found[0].frame_pts_s[0] < 500  # relative to the first frame, whose time is 1000


async def test_real_file_is_published(bus: Bus, settings: Settings, tmp_path: Path) -> None:
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
