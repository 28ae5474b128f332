"""The decoding thread when it waits: for whoever takes, for a camera that is away, for the end of a pause."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from cornerman_capture.core import PendingChunk
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.source_state import BrokenError
from cornerman_capture.sources.base import DecodedFrame, FrameSource, Interrupted
from cornerman_shared.clock import VirtualClock
from tests.unit.capture.reels import SETTINGS, Script, all_of, frames, plan, play, reel_of


async def test_a_lossless_reel_waits_for_whoever_takes() -> None:
    reel = reel_of(lambda: Script(frames(3000)), plan())
    reel.start()
    while reel.chunker.due < 3:
        await asyncio.sleep(0)
    for _ in range(2000):
        await asyncio.sleep(0)
    assert reel.chunker.due == 3  # two are held, one is in the thread's hand
    cuts = [cut async for cut in all_of(reel.cuts)]
    assert [cut.index for cut in cuts] == list(range(199))
    assert reel.behind == 0


async def test_a_lost_camera_is_opened_again_and_chunks_do_not_mix() -> None:
    clock = VirtualClock()
    openings: list[int] = []

    def opener() -> FrameSource:
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
    cuts = [cut async for cut in all_of(reel.cuts)]
    assert reel.join(60.0)
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

    def opener() -> FrameSource:
        openings.append(1)
        return Script(frames(100), breaks=True) if len(openings) < 3 else Script(frames(300))

    reel = reel_of(opener, plan())
    reel._interrupt.wait = lambda timeout=None: False  # type: ignore[method-assign]
    cuts = await play(reel)
    assert reel.chunker.captured == 300
    assert [cut.index for cut in cuts] == list(range(19))


async def test_a_stall_is_noticed_from_outside_and_is_over_with_the_next_frame() -> None:
    clock, go_on = VirtualClock(), threading.Event()

    class Stalling(Script):
        def pictures(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
            yield DecodedFrame(0.0, self._make)
            go_on.wait(60)
            yield DecodedFrame(1.0, self._make)

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
    assert reel.join(60.0)
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
        if not (await take_now(reel)):
            await asyncio.sleep(0)
    seen = reel.chunker.captured
    for _ in range(100):
        await asyncio.sleep(0)
    assert reel.chunker.captured == seen < 300
    reel.pause(False)
    taken.extend([cut async for cut in all_of(reel.cuts)])
    assert reel.join(60.0)
    assert reel.chunker.captured == 300


async def take_now(reel: SourceDecoder) -> PendingChunk | None:
    try:
        return await asyncio.wait_for(reel.cuts.take(), 0.01)
    except TimeoutError:
        return None


async def test_a_paused_camera_is_closed_and_opened_again() -> None:
    closed: list[int] = []

    class Camera(Script):
        def pictures(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
            index = 0
            while not interrupted():
                index += 1
                yield DecodedFrame(index / 30, self._make)

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
    assert reel.join(60.0)
    assert closed == [1, 1]


async def test_a_paused_reel_can_be_stopped() -> None:
    reel = reel_of(lambda: Script(frames(300)), plan())
    reel.pause(True)
    reel.start()
    reel.stop()
    assert reel.join(60.0)


async def test_a_reel_that_waits_to_play_can_be_stopped() -> None:
    from cornerman_shared.clock import SystemClock

    clock = SystemClock()
    reel = SourceDecoder(
        plan(realtime=True), lambda: Script([0.0, 200.0]), SETTINGS, clock, PreviewEncoder(clock, 320, 80)
    )
    reel.start()
    while reel.machine.state != "playing":
        await asyncio.sleep(0)
    reel.stop()
    assert reel.join(60.0)
