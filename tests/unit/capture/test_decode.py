"""The decoding thread: what it hands over, at what speed, and how it ends. Feeds are scripted; the clock is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cornerman_capture.sources.base import FrameSource
from cornerman_shared.clock import VirtualClock
from tests.unit.capture.reels import Script, all_of, frames, plan, play, reel_of, url_reel


async def test_a_file_becomes_every_chunk_of_it() -> None:
    reel = url_reel("test://pattern?fps=30&seconds=10&size=64x36", plan())
    cuts = await play(reel)
    assert (reel.chunker.captured, reel.chunker.sampled, reel.chunker.due) == (300, 80, 19)
    assert [cut.index for cut in cuts] == list(range(19))
    assert cuts[0].stacked().shape == (8, 32, 57, 3)
    assert [news.state for news in reel.look()] == ["opening", "playing", "ended"]


async def test_decoding_again_gives_the_same_chunks_so_a_run_can_be_continued(
    make_video: Callable[..., Path],
) -> None:
    url = str(make_video("a.mp4", seconds=6))
    whole = await play(url_reel(url, plan()))
    rest = await play(url_reel(url, plan(skip=5)))
    assert [cut.index for cut in rest] == [cut.index for cut in whole[5:]]
    for ours, theirs in zip(rest, whole[5:], strict=True):
        assert ours.frame_pts_s == theirs.frame_pts_s
        assert (ours.stacked() == theirs.stacked()).all()


async def test_frames_that_are_not_sampled_are_not_converted() -> None:
    made: list[int] = []
    reel = reel_of(lambda: Script(frames(300), count=made), plan())
    await play(reel)
    assert len(made) == reel.chunker.sampled == 80


async def test_a_live_reel_keeps_the_newest_and_counts_the_rest() -> None:
    reel = reel_of(lambda: Script(frames(3000)), plan(lossless=False))
    reel.start()
    assert await asyncio.to_thread(reel.join, 10.0)
    cuts = [cut async for cut in all_of(reel.cuts)]
    assert [cut.index for cut in cuts] == [198]
    assert reel.behind == 198


async def test_files_are_played_at_their_own_speed() -> None:
    clock = VirtualClock()
    reel = reel_of(lambda: Script(frames(90)), plan(realtime=True), clock)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    reel._pacer._wait = wait
    cuts = await play(reel)
    assert sum(waited) == pytest.approx(89 / 30, abs=1e-3)
    began_s = cuts[0].available_at_s - cuts[0].pts_s
    assert all(cut.available_at_s - cut.pts_s == pytest.approx(began_s, abs=1e-3) for cut in cuts)


async def test_what_is_on_the_bus_already_is_gone_through_without_waiting() -> None:
    clock = VirtualClock()
    reel = reel_of(lambda: Script(frames(300)), plan(realtime=True, skip=15), clock)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    reel._pacer._wait = wait
    cuts = await play(reel)
    assert [cut.index for cut in cuts] == [15, 16, 17, 18]
    assert sum(waited) < 3.0


async def test_a_looped_file_goes_on_in_time() -> None:
    reel = reel_of(lambda: Script(frames(30)), plan(loop=True, lossless=True))
    reel.start()
    cuts = []
    while len(cuts) < 20:
        cut = await reel.cuts.take()
        assert cut is not None
        cuts.append(cut)
    reel.stop()
    assert reel.join(60.0)
    times = [cut.pts_s for cut in cuts]
    assert np.allclose(np.diff(times), 0.5, atol=0.05)


async def test_a_live_source_cannot_be_lossless() -> None:
    reel = reel_of(lambda: Script(frames(10), live=True), plan(can_fail=False))
    assert await play(reel) == []
    assert reel.machine.state == "failed"
    assert "lossless" in reel.machine.detail


async def test_a_clip_too_short_for_a_chunk_says_so() -> None:
    reel = url_reel("test://pattern?fps=30&seconds=0.5&size=64x36", plan())
    assert await play(reel) == []
    assert reel.machine.state == "ended"
    assert "too short" in reel.machine.detail and "4 of 8" in reel.machine.detail


async def test_a_file_cut_short_says_so(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mp4", seconds=6, options={"movflags": "faststart"}, quality={"g": "15"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    reel = url_reel(str(path), plan())
    await play(reel)
    assert reel.machine.state == "ended"
    assert "cut short" in reel.machine.detail and "of 6.0 s" in reel.machine.detail


async def test_a_missing_file_fails_with_the_reason() -> None:
    reel = url_reel("/no/such/file.mp4", plan())
    assert await play(reel) == []
    assert [news.state for news in reel.look()] == ["opening", "failed"]
    assert "/no/such/file.mp4" in reel.machine.detail


async def test_a_defect_in_a_source_fails_that_source_and_hides_credentials() -> None:
    def opener() -> FrameSource:
        raise RuntimeError("rtsp://admin:s3cret@cam/live went wrong")

    reel = reel_of(opener, plan())
    assert await play(reel) == []
    assert reel.machine.state == "failed"
    assert "RuntimeError" in reel.machine.detail and "s3cret" not in reel.machine.detail


async def test_nothing_is_encoded_for_people_while_nobody_watches() -> None:
    reel = url_reel("test://pattern?fps=30&seconds=2&size=64x36", plan())
    await play(reel)
    assert await reel.tap.shots.take() is None


async def test_every_frame_is_encoded_while_somebody_watches() -> None:
    clock = VirtualClock()
    reel = reel_of(lambda: Script(frames(60)), plan(realtime=True), clock)
    reel.tap.watched = True
    reel._pacer._wait = lambda seconds: bool(clock.advance(seconds))
    shots: list[float] = []

    async def watch() -> None:
        while (shot := await reel.tap.shots.take()) is not None:
            shots.append(shot.pts_s)
            assert shot.jpeg.startswith(b"\xff\xd8")

    watcher = asyncio.create_task(watch())
    offered: list[float] = []
    offer = reel.tap.shots.offer
    reel.tap.shots.offer = lambda shot: (offered.append(shot.pts_s), offer(shot))[1]  # type: ignore[method-assign]
    await play(reel)
    await watcher
    assert offered == pytest.approx(frames(60))
    assert shots and shots[-1] == pytest.approx(59 / 30)


async def test_a_file_read_as_fast_as_possible_is_shown_no_faster_than_its_own_rate() -> None:
    reel = reel_of(lambda: Script(frames(300)), plan())  # the virtual clock stands still
    reel.tap.watched = True
    offered: list[float] = []
    reel.tap.shots.offer = lambda shot: offered.append(shot.pts_s) or 0  # type: ignore[method-assign,func-returns-value]
    await play(reel)
    assert offered == [0.0]
