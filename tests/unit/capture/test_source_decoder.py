"""The decoding thread: its chunks, pace and end. Sources are scripted; the clock is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cornerman_capture.sources.base import FrameSource
from cornerman_shared.clock import VirtualClock
from tests.unit.capture.decoders import Script, all_of, decoder_of, frames, plan, play, url_decoder


async def test_file_gives_all_its_chunks() -> None:
    decoder = url_decoder("test://pattern?fps=30&seconds=10&size=64x36", plan())
    chunks = await play(decoder)
    assert (decoder.chunker.captured, decoder.chunker.sampled, decoder.chunker.due) == (300, 80, 19)
    assert [chunk.index for chunk in chunks] == list(range(19))
    assert chunks[0].stacked().shape == (8, 32, 57, 3)
    assert [change.state for change in decoder.poll_changes()] == ["opening", "playing", "ended"]


async def test_decoding_again_gives_equal_chunks(
    make_video: Callable[..., Path],
) -> None:
    url = str(make_video("a.mp4", seconds=6))
    whole = await play(url_decoder(url, plan()))
    rest = await play(url_decoder(url, plan(skip=5)))
    assert [chunk.index for chunk in rest] == [chunk.index for chunk in whole[5:]]
    for ours, theirs in zip(rest, whole[5:], strict=True):
        assert ours.frame_pts_s == theirs.frame_pts_s
        assert (ours.stacked() == theirs.stacked()).all()


async def test_unsampled_frames_are_not_converted() -> None:
    made: list[int] = []
    decoder = decoder_of(lambda: Script(frames(300), count=made), plan())
    await play(decoder)
    assert len(made) == decoder.chunker.sampled == 80


async def test_live_queue_keeps_the_newest_chunk() -> None:
    decoder = decoder_of(lambda: Script(frames(3000)), plan(lossless=False))
    decoder.start()
    assert await asyncio.to_thread(decoder.join, 10.0)
    chunks = [chunk async for chunk in all_of(decoder.chunks)]
    assert [chunk.index for chunk in chunks] == [198]
    assert decoder.behind == 198


async def test_realtime_files_are_paced() -> None:
    clock = VirtualClock()
    decoder = decoder_of(lambda: Script(frames(90)), plan(realtime=True), clock)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    decoder._pacer._wait = wait
    chunks = await play(decoder)
    assert sum(waited) == pytest.approx(89 / 30, abs=1e-3)
    began_s = chunks[0].available_at_s - chunks[0].pts_s
    assert all(chunk.available_at_s - chunk.pts_s == pytest.approx(began_s, abs=1e-3) for chunk in chunks)


async def test_published_chunks_are_skipped_unpaced() -> None:
    clock = VirtualClock()
    decoder = decoder_of(lambda: Script(frames(300)), plan(realtime=True, skip=15), clock)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    decoder._pacer._wait = wait
    chunks = await play(decoder)
    assert [chunk.index for chunk in chunks] == [15, 16, 17, 18]
    assert sum(waited) < 3.0


async def test_looped_file_continues_media_time() -> None:
    decoder = decoder_of(lambda: Script(frames(30)), plan(loop=True, lossless=True))
    decoder.start()
    chunks = []
    while len(chunks) < 20:
        chunk = await decoder.chunks.get()
        assert chunk is not None
        chunks.append(chunk)
    decoder.stop()
    assert decoder.join(60.0)
    times = [chunk.pts_s for chunk in chunks]
    assert np.allclose(np.diff(times), 0.5, atol=0.05)


async def test_live_source_cannot_be_lossless() -> None:
    decoder = decoder_of(lambda: Script(frames(10), live=True), plan(can_fail=False))
    assert await play(decoder) == []
    assert decoder.state.name == "failed"
    assert "lossless" in decoder.state.detail


async def test_clip_shorter_than_a_chunk_ends() -> None:
    decoder = url_decoder("test://pattern?fps=30&seconds=0.5&size=64x36", plan())
    assert await play(decoder) == []
    assert decoder.state.name == "ended"
    assert "too short" in decoder.state.detail and "4 of 8" in decoder.state.detail


async def test_truncated_file_is_reported(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mp4", seconds=6, options={"movflags": "faststart"}, quality={"g": "15"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    decoder = url_decoder(str(path), plan())
    await play(decoder)
    assert decoder.state.name == "ended"
    assert "cut short" in decoder.state.detail and "of 6.0 s" in decoder.state.detail


async def test_missing_file_fails_with_reason() -> None:
    decoder = url_decoder("/no/such/file.mp4", plan())
    assert await play(decoder) == []
    assert [change.state for change in decoder.poll_changes()] == ["opening", "failed"]
    assert "/no/such/file.mp4" in decoder.state.detail


async def test_unexpected_error_hides_credentials() -> None:
    def opener() -> FrameSource:
        raise RuntimeError("rtsp://admin:s3cret@cam/live went wrong")

    decoder = decoder_of(opener, plan())
    assert await play(decoder) == []
    assert decoder.state.name == "failed"
    assert "RuntimeError" in decoder.state.detail and "s3cret" not in decoder.state.detail


async def test_no_viewer_gets_no_previews() -> None:
    decoder = url_decoder("test://pattern?fps=30&seconds=2&size=64x36", plan())
    await play(decoder)
    assert await decoder._previews.frames.get() is None


async def test_viewer_gets_every_frame() -> None:
    clock = VirtualClock()
    decoder = decoder_of(lambda: Script(frames(60)), plan(realtime=True), clock)
    decoder._previews.enabled = True
    decoder._pacer._wait = lambda seconds: bool(clock.advance(seconds))
    previews: list[float] = []

    async def watch() -> None:
        while (preview := await decoder._previews.frames.get()) is not None:
            previews.append(preview.pts_s)
            assert preview.jpeg.startswith(b"\xff\xd8")

    watcher = asyncio.create_task(watch())
    offered: list[float] = []
    offer = decoder._previews.frames.put
    decoder._previews.frames.put = lambda preview: (offered.append(preview.pts_s), offer(preview))[1]  # type: ignore[method-assign]
    await play(decoder)
    await watcher
    assert offered == pytest.approx(frames(60))
    assert previews and previews[-1] == pytest.approx(59 / 30)


async def test_fast_file_limits_its_previews() -> None:
    decoder = decoder_of(lambda: Script(frames(300)), plan())  # the virtual clock stands still
    decoder._previews.enabled = True
    offered: list[float] = []
    decoder._previews.frames.put = lambda preview: offered.append(preview.pts_s) or 0  # type: ignore[method-assign,func-returns-value]
    await play(decoder)
    assert offered == [0.0]
