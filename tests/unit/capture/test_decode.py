"""The decoding thread: what it hands over, when it waits, and how it ends. Feeds are scripted; the clock is virtual."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from services.capture.core import Cut
from services.capture.decode import Plan, Reel
from services.capture.display import Tap
from services.capture.handover import Handover
from services.capture.sources.base import Feed, Interrupted, Picture, Traits
from services.capture.sources.opening import open_feed
from services.capture.states import BrokenError
from shared.clock import VirtualClock
from shared.config import CaptureSettings

SETTINGS = CaptureSettings(open_timeout_s=1.0, stall_s=0.5, shorter_side=32, backoff_max_s=0.5)
MADE = av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8), format="rgb24")


class Script:
    """A feed that gives frames at these times, then ends, or breaks off."""

    def __init__(
        self, times: list[float], *, live: bool = False, breaks: bool = False, count: list[int] | None = None
    ) -> None:
        self.traits = Traits(live=live, nominal_s=1 / 30, duration_s=None)
        self.note = ""
        self._times, self._breaks, self._count = times, breaks, count

    def pictures(self, interrupted: Interrupted) -> Iterator[Picture]:
        for time_s in self._times:
            if interrupted():
                return
            yield Picture(time_s, self._make)
        if self._breaks:
            raise BrokenError("broke off", final=False)

    def _make(self) -> av.VideoFrame:
        if self._count is not None:
            self._count.append(1)
        return MADE

    def close(self) -> None:
        """Nothing is held."""


def plan(**changes: object) -> Plan:
    given: dict[str, object] = {
        "sample_fps": 8.0,
        "overlap": 4,
        "lossless": True,
        "realtime": False,
        "loop": False,
        "can_fail": True,
    }
    return Plan(**{**given, **changes})  # type: ignore[arg-type]


def reel_of(opener: Callable[[], Feed], of: Plan, clock: VirtualClock | None = None) -> Reel:
    clock = clock or VirtualClock()
    return Reel(of, opener, SETTINGS, clock, Tap(clock, 320, 80))


def url_reel(url: str, of: Plan) -> Reel:
    return reel_of(partial(open_feed, url, SETTINGS), of)


async def play(reel: Reel) -> list[Cut]:
    reel.start()
    cuts = []
    while (cut := await reel.cuts.take()) is not None:
        cuts.append(cut)
    assert reel.join(5.0)
    return cuts


def frames(n: int, fps: float = 30) -> list[float]:
    return [i / fps for i in range(n)]


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


async def test_a_lossless_reel_waits_for_whoever_takes() -> None:
    reel = reel_of(lambda: Script(frames(3000)), plan())
    reel.start()
    while reel.chunker.due < 3:
        await asyncio.sleep(0)
    for _ in range(2000):
        await asyncio.sleep(0)
    assert reel.chunker.due == 3  # two are held, one is in the thread's hand
    cuts = [cut async for cut in _all(reel.cuts)]
    assert [cut.index for cut in cuts] == list(range(199))
    assert reel.behind == 0


async def test_a_live_reel_keeps_the_newest_and_counts_the_rest() -> None:
    reel = reel_of(lambda: Script(frames(3000)), plan(lossless=False))
    reel.start()
    assert await asyncio.to_thread(reel.join, 10.0)
    cuts = [cut async for cut in _all(reel.cuts)]
    assert [cut.index for cut in cuts] == [198]
    assert reel.behind == 198


async def _all(cuts: Handover[Cut]):
    while (cut := await cuts.take()) is not None:
        yield cut


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
    assert reel.join(5.0)
    times = [cut.pts_s for cut in cuts]
    assert np.allclose(np.diff(times), 0.5, atol=0.05)


async def test_a_lost_camera_is_opened_again_and_chunks_do_not_mix() -> None:
    clock = VirtualClock()
    openings: list[int] = []

    def opener() -> Feed:
        openings.append(1)
        if len(openings) == 2:
            clock.advance(20.0)
            raise BrokenError("no answer", final=False)
        if len(openings) == 4:
            raise BrokenError("refused for good", final=True)
        return Script(frames(60), live=True, breaks=len(openings) == 1)

    reel = reel_of(opener, plan(lossless=False, can_fail=False), clock)
    reel._interrupt.wait = lambda timeout=None: False  # type: ignore[method-assign]
    reel.start()
    cuts = [cut async for cut in _all(reel.cuts)]
    assert reel.join(5.0)
    news = [(n.state, n.detail) for n in reel.look()]
    assert news == [
        ("opening", ""),
        ("playing", ""),
        ("reconnecting", "broke off"),
        ("reconnecting", "no answer"),
        ("playing", ""),
        ("reconnecting", "the other side closed the stream"),
        ("failed", "refused for good"),
    ]
    for cut in cuts:
        assert cut.frame_pts_s[-1] - cut.frame_pts_s[0] < 1.0  # none reaches over the break
    assert reel.chunker.timeline.last_s == pytest.approx(59 / 30 + 20 + 59 / 30, abs=0.1)
    assert reel.machine.reconnects == 3


async def test_a_remote_file_that_breaks_off_goes_on_where_it_was() -> None:
    openings: list[int] = []

    def opener() -> Feed:
        openings.append(1)
        return Script(frames(100), breaks=True) if len(openings) < 3 else Script(frames(300))

    reel = reel_of(opener, plan())
    reel._interrupt.wait = lambda timeout=None: False  # type: ignore[method-assign]
    cuts = await play(reel)
    assert reel.chunker.captured == 300
    assert [cut.index for cut in cuts] == list(range(19))


async def test_a_live_source_cannot_be_lossless() -> None:
    reel = reel_of(lambda: Script(frames(10), live=True), plan(can_fail=False))
    assert await play(reel) == []
    assert reel.machine.state == "failed"
    assert "lossless" in reel.machine.detail


async def test_a_stall_is_noticed_from_outside_and_is_over_with_the_next_frame() -> None:
    clock, go_on = VirtualClock(), threading.Event()

    class Stalling(Script):
        def pictures(self, interrupted: Interrupted) -> Iterator[Picture]:
            yield Picture(0.0, self._make)
            go_on.wait(10)
            yield Picture(1.0, self._make)

    reel = reel_of(lambda: Stalling([], live=True), plan(lossless=False, can_fail=False), clock)
    reel.start()
    while reel.machine.state != "playing":
        await asyncio.sleep(0)
    clock.advance(0.6)
    reel.look()
    assert reel.machine.state == "stalled"
    go_on.set()
    while reel.machine.state != "reconnecting":
        await asyncio.sleep(0)
    reel.stop()
    assert reel.join(5.0)
    assert "playing" in [news.state for news in reel.look()]


async def test_a_paused_file_waits_and_goes_on_without_a_loss() -> None:
    reel = reel_of(lambda: Script(frames(300)), plan())
    reel.pause(True)
    reel.start()
    while reel.machine.state != "paused":
        await asyncio.sleep(0)
    assert reel.chunker.captured == 0
    reel.pause(False)
    taken = [await reel.cuts.take() for _ in range(3)]
    reel.pause(True)
    while reel.machine.state != "paused":
        if not (await _take_now(reel)):
            await asyncio.sleep(0)
    seen = reel.chunker.captured
    for _ in range(100):
        await asyncio.sleep(0)
    assert reel.chunker.captured == seen < 300
    reel.pause(False)
    taken.extend([cut async for cut in _all(reel.cuts)])
    assert reel.join(5.0)
    assert reel.chunker.captured == 300


async def _take_now(reel: Reel) -> Cut | None:
    try:
        return await asyncio.wait_for(reel.cuts.take(), 0.01)
    except TimeoutError:
        return None


async def test_a_paused_camera_is_closed_and_opened_again() -> None:
    closed: list[int] = []

    class Camera(Script):
        def pictures(self, interrupted: Interrupted) -> Iterator[Picture]:
            index = 0
            while not interrupted():
                index += 1
                yield Picture(index / 30, self._make)

        def close(self) -> None:
            closed.append(1)

    reel = reel_of(lambda: Camera([], live=True), plan(lossless=False, can_fail=False))
    reel.start()
    while reel.machine.state != "playing":
        await asyncio.sleep(0)
    reel.pause(True)
    while reel.machine.state != "paused":
        await asyncio.sleep(0)
    assert closed == [1]
    reel.pause(False)
    while reel.machine.state != "playing":
        await asyncio.sleep(0)
    reel.stop()
    assert reel.join(5.0)
    assert closed == [1, 1]


async def test_a_paused_reel_can_be_stopped() -> None:
    reel = reel_of(lambda: Script(frames(300)), plan())
    reel.pause(True)
    reel.start()
    reel.stop()
    assert reel.join(5.0)


async def test_a_reel_that_waits_to_play_can_be_stopped() -> None:
    from shared.clock import SystemClock

    clock = SystemClock()
    reel = Reel(plan(realtime=True), lambda: Script([0.0, 200.0]), SETTINGS, clock, Tap(clock, 320, 80))
    reel.start()
    while reel.machine.state != "playing":
        await asyncio.sleep(0)
    reel.stop()
    assert reel.join(5.0)


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
    def opener() -> Feed:
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
