"""The decoding thread while it waits: for room, for a lost camera, for the end of a pause."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.core import PendingChunk
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.sources.base import DecodedFrame, FrameSource, Interrupted, StreamInfo
from cornerman_shared.clock import VirtualClock
from tests.unit.capture.decoders import MADE, SETTINGS, Script, all_of, decoder_of, frames, plan, play


async def test_lossless_decoder_waits_for_room() -> None:
    decoder = decoder_of(lambda: Script(frames(3000)), plan())
    decoder.start()
    while decoder.chunker.due < 3:
        await asyncio.sleep(0)
    for _ in range(2000):
        await asyncio.sleep(0)
    assert decoder.chunker.due == 3  # two are queued, one waits in the thread
    chunks = [chunk async for chunk in all_of(decoder.chunks)]
    assert [chunk.index for chunk in chunks] == list(range(199))
    assert decoder.behind == 0


async def test_lost_camera_reconnects_without_mixing_chunks() -> None:
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

    decoder = decoder_of(opener, plan(lossless=False, can_fail=False), clock)
    decoder._interrupt.wait = lambda timeout=None: False  # type: ignore[method-assign]
    decoder.start()
    chunks = [chunk async for chunk in all_of(decoder.chunks)]
    assert decoder.join(60.0)
    change = [(n.state, n.detail) for n in decoder.poll_changes()]
    assert change == [
        ("opening", ""),
        ("playing", ""),
        ("reconnecting", "broke off"),
        ("reconnecting", "no answer"),
        ("playing", ""),
        ("reconnecting", "the other side closed the stream"),
        ("failed", "refused for good"),
    ]
    for chunk in chunks:
        assert chunk.frame_pts_s[-1] - chunk.frame_pts_s[0] < 1.0  # none spans the break
    assert decoder.chunker.timeline.last_s == pytest.approx(59 / 30 + 20 + 59 / 30, abs=0.1)
    assert decoder.state.reconnects == 3


async def test_broken_remote_file_continues_in_place() -> None:
    openings: list[int] = []

    def opener() -> FrameSource:
        openings.append(1)
        return Script(frames(100), breaks=True) if len(openings) < 3 else Script(frames(300))

    decoder = decoder_of(opener, plan())
    decoder._interrupt.wait = lambda timeout=None: False  # type: ignore[method-assign]
    chunks = await play(decoder)
    assert decoder.chunker.captured == 300
    assert [chunk.index for chunk in chunks] == list(range(19))


async def test_stall_ends_with_the_next_frame() -> None:
    clock, go_on = VirtualClock(), threading.Event()

    class Stalling(Script):
        def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
            yield DecodedFrame(0.0, self._make)
            go_on.wait(60)
            yield DecodedFrame(1.0, self._make)

    decoder = decoder_of(lambda: Stalling([], live=True), plan(lossless=False, can_fail=False), clock)
    decoder.start()
    while decoder.state.name != "playing":
        await asyncio.sleep(0)
    clock.advance(0.6)
    decoder.poll_changes()
    assert decoder.state.name == "stalled"
    go_on.set()
    while decoder.state.name != "reconnecting":
        await asyncio.sleep(0)
    decoder.stop()
    assert decoder.join(60.0)
    assert "playing" in [change.state for change in decoder.poll_changes()]


class Hanging(Script):
    """A driver that hangs in a read, whatever anybody asks."""

    wakes = threading.Event()

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        yield DecodedFrame(0.0, self._make)
        self.wakes.wait(60)
        yield DecodedFrame(1.0, self._make)


async def test_hanging_reader_is_replaced() -> None:
    clock, opened = VirtualClock(), []

    def opener() -> Script:
        opened.append(1)
        return Hanging([], live=True) if len(opened) == 1 else Script(frames(20), live=True)

    decoder = decoder_of(opener, plan(lossless=False, can_fail=False), clock)
    decoder.start()
    while decoder.state.name != "playing":
        await asyncio.sleep(0)
    clock.advance(0.6)
    decoder.poll_changes()
    assert decoder.state.name == "stalled"
    clock.advance(1.0)
    decoder.poll_changes()
    assert decoder.state.name == "stalled"
    clock.advance(0.5)
    changes = decoder.poll_changes()
    while decoder.chunker.captured < 21:
        changes += decoder.poll_changes()
        await asyncio.sleep(0)
    assert ("reconnecting", "its reader has not answered for 2 s: it is opened again") in [
        (change.state, change.detail) for change in changes
    ]
    Hanging.wakes.set()
    decoder.stop()
    assert decoder.join(60.0)
    assert decoder.chunker.captured % 20 == 1, "the frame of the hanging reader does not count"


async def test_reader_that_always_hangs_fails() -> None:
    clock = VirtualClock()
    Hanging.wakes.clear()
    decoder = decoder_of(lambda: Hanging([], live=True), plan(lossless=False, can_fail=False), clock)
    decoder.start()
    while not decoder.state.over:
        clock.advance(0.6)
        decoder.poll_changes()
        await asyncio.sleep(0)
    assert "as 8 times before: restart capture, or the camera" in decoder.state.detail
    Hanging.wakes.set()
    assert decoder.join(60.0)


async def test_paused_file_loses_nothing() -> None:
    decoder = decoder_of(lambda: Script(frames(300)), plan())
    decoder.pause(True)
    decoder.start()
    while decoder.state.name != "paused":
        await asyncio.sleep(0)
    assert decoder.chunker.captured == 0
    decoder.pause(False)
    taken = [await decoder.chunks.get() for _ in range(3)]
    decoder.pause(True)
    while decoder.state.name != "paused":
        if not (await take_now(decoder)):
            await asyncio.sleep(0)
    seen = decoder.chunker.captured
    for _ in range(100):
        await asyncio.sleep(0)
    assert decoder.chunker.captured == seen < 300
    decoder.pause(False)
    taken.extend([chunk async for chunk in all_of(decoder.chunks)])
    assert decoder.join(60.0)
    assert decoder.chunker.captured == 300


async def take_now(decoder: SourceDecoder) -> PendingChunk | None:
    try:
        return await asyncio.wait_for(decoder.chunks.get(), 0.01)
    except TimeoutError:
        return None


async def test_paused_camera_is_reopened() -> None:
    closed: list[int] = []

    class Camera(Script):
        def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
            index = 0
            while not interrupted():
                index += 1
                yield DecodedFrame(index / 30, self._make)

        def close(self) -> None:
            closed.append(1)

    decoder = decoder_of(lambda: Camera([], live=True), plan(lossless=False, can_fail=False))
    decoder.start()
    while decoder.state.name != "playing":
        await asyncio.sleep(0)
    decoder.pause(True)
    while decoder.state.name != "paused":
        await asyncio.sleep(0)
    assert closed == [1]
    decoder.pause(False)
    while decoder.state.name != "playing":
        await asyncio.sleep(0)
    decoder.stop()
    assert decoder.join(60.0)
    assert closed == [1, 1]


async def test_paused_decoder_can_be_stopped() -> None:
    decoder = decoder_of(lambda: Script(frames(300)), plan())
    decoder.pause(True)
    decoder.start()
    decoder.stop()
    assert decoder.join(60.0)


async def test_stop_interrupts_the_pacer() -> None:
    from cornerman_shared.clock import SystemClock

    clock = SystemClock()
    decoder = SourceDecoder(
        plan(realtime=True), lambda: Script([0.0, 200.0]), SETTINGS, clock, PreviewEncoder(clock, 320, 80)
    )
    decoder.start()
    while decoder.state.name != "playing":
        await asyncio.sleep(0)
    decoder.stop()
    assert decoder.join(60.0)


class WrongClock:
    """A camera of 30 FPS whose own clock runs at another pace; the virtual clock goes on with its frames."""

    note = ""

    def __init__(self, clock: VirtualClock, pace: float) -> None:
        self.info = StreamInfo(live=True, nominal_s=1 / 30)
        self._clock, self._pace = clock, pace

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        for index in range(600):
            if interrupted():
                return
            yield DecodedFrame(index / 30 * self._pace, lambda: MADE)
            self._clock.advance(1 / 30)
        raise BrokenError("wrong address", final=True)

    def cut_short(self) -> str:
        return ""

    def close(self) -> None:
        """Does nothing."""


@pytest.mark.parametrize(("pace", "said"), [(0.1, "10 times too slow"), (10.0, "10 times too fast"), (1.0, "")])
async def test_wrong_clock_is_told(pace: float, said: str) -> None:
    clock = VirtualClock()
    decoder = decoder_of(lambda: WrongClock(clock, pace), plan(lossless=False, can_fail=False), clock)
    await play(decoder)
    playing = [change.detail for change in decoder.poll_changes() if change.state == "playing"]
    assert said in playing[-1]
    assert len(playing) == (2 if said else 1)
    # 16 of the 20 s are sampled at 8 a second, by arrival; the first 4 s are those of the comparison.
    assert decoder.chunker.sampled == pytest.approx({0.1: 131, 10.0: 120 + 128, 1.0: 160}[pace], abs=4)


async def test_late_source_opens_once_it_is_due() -> None:
    waits: list[float | None] = []
    decoder = decoder_of(lambda: Script(frames(60)), plan(late_s=0.25))
    decoder._interrupt.wait = lambda timeout=None: bool(waits.append(timeout))  # type: ignore[method-assign]
    assert len(await play(decoder)) == 3
    assert waits == [0.25]


async def test_stop_ends_a_late_start() -> None:
    opened: list[int] = []
    decoder = decoder_of(lambda: (opened.append(1), Script(frames(60)))[1], plan(late_s=3600.0))
    decoder.start()
    decoder.stop()
    assert await asyncio.to_thread(decoder.join, 60.0)
    assert not opened
