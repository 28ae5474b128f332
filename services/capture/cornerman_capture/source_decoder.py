"""One run of one source, decoded in a thread of its own: opens, reopens, paces, samples, and hands over what is due.

The thread knows no bus. It blocks in FFmpeg, in the pacer or in the hand-over, and each of these can be ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from cornerman_capture.core import Chunker, PendingChunk
from cornerman_capture.pacing import Pacer
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.sampling import usable_nominal
from cornerman_capture.scaling import FrameScaler
from cornerman_capture.source_state import BrokenError, SourceState
from cornerman_capture.sources.avfeed import CUT_SHORT_S
from cornerman_capture.sources.base import DecodedFrame, FrameSource
from cornerman_capture.thread_queue import LIVE_DEPTH, LOSSLESS_DEPTH, ThreadEvent, ThreadQueue
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.messages import SourceStateName
from cornerman_shared.clock import Clock
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.source import CHUNK_FRAMES
from cornerman_shared.settings.tree import CaptureSettings

log = get_logger("decode")

FIRST_WAIT_S: Final = 0.5
"""Upper bound of the first wait before a source is opened again, seconds."""

Opener = Callable[[], FrameSource]


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """How a run is to be decoded. `skip` cuts are on the bus already (a run that is continued)."""

    sample_fps: float
    overlap: int
    lossless: bool
    realtime: bool
    loop: bool
    can_fail: bool  # given up after some tries (files, also remote ones), unlike a camera
    give_up_s: float = 0.0  # one that has never given a frame is given up after this; 0 = never
    skip: int = 0


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of state, for people."""

    state: SourceStateName
    detail: str

    @property
    def over(self) -> bool:
        return self.state in ("ended", "failed")


class SourceDecoder:
    """A run being decoded. Make and use it in the event loop; `start` begins the thread.

    Args:
        plan: what to do.
        opener: opens the source; called in the thread, again after each break.
        settings: sizes and limits.
        clock: wall and monotonic time.
        tap: where frames for people go.
    """

    def __init__(
        self, plan: DecodePlan, opener: Opener, settings: CaptureSettings, clock: Clock, tap: PreviewEncoder
    ) -> None:
        self.plan = plan
        self.tap = tap
        self.bell = ThreadEvent()
        self.cuts: ThreadQueue[PendingChunk] = ThreadQueue(
            LOSSLESS_DEPTH if plan.lossless else LIVE_DEPTH, lossless=plan.lossless
        )
        self.chunker = Chunker(plan.sample_fps, plan.overlap)
        self.behind = 0  # cuts that went because nobody took them in time
        self.machine = SourceState(settings.stall_s, can_fail=plan.can_fail, give_up_s=plan.give_up_s)
        self._open = opener
        self._settings = settings
        self._clock = clock
        self._news: deque[StateChange] = deque()
        self._lock = threading.Lock()
        self._gate = threading.Condition()
        self._stopped = self._paused = False
        self._interrupt = threading.Event()
        self._pacer = Pacer(clock.monotonic_s, self._interrupt.wait)
        self._live = False
        self._frame_at_s = clock.monotonic_s()
        self._thread = threading.Thread(target=self._run, name="reel", daemon=True)

    # From the event loop.

    def start(self) -> None:
        self._tell()
        self._thread.start()

    def stop(self) -> None:
        """Ends the run soon; what is due and not yet taken is left to be taken."""
        with self._gate:
            self._stopped = True
            self._interrupt.set()
            self._gate.notify_all()
        self.cuts.close()
        self.tap.shots.close(discard=True)

    def pause(self, paused: bool) -> None:
        """Files wait where they are; live sources are closed, and opened again."""
        with self._gate:
            self._paused = paused
            if paused:
                self._interrupt.set()
            elif not self._stopped:
                self._interrupt.clear()
            self._gate.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread; False when it is still blocked. It is a daemon, and ends when FFmpeg lets it."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def look(self) -> list[StateChange]:
        """Notices a stall, and returns the changes of state since the last time, oldest first."""
        with self._lock:
            if self._live:
                before = self.machine.state
                self.machine.quiet(self._clock.monotonic_s())
                if self.machine.state != before:
                    self._news.append(StateChange(self.machine.state, self.machine.detail))
            news = list(self._news)
            self._news.clear()
        return news

    # In the thread.

    def _run(self) -> None:
        try:
            self._play()
        except Exception as error:
            log.error("decoder_crashed", exc_info=error)
            detail = f"decoding failed unexpectedly: {redact_url(repr(error))}"
            self._change(lambda machine: machine.fail(detail))
        finally:
            self.cuts.close()
            self.tap.shots.close()
            self.bell.ring()

    def _play(self) -> None:
        backoff = Backoff(base_s=FIRST_WAIT_S, cap_s=max(FIRST_WAIT_S, self._settings.backoff_max_s))
        opened = False
        seen_in_pass = 0  # frames of a file that have been seen, should it break off and be opened again
        while not self._stopped:
            if self._paused:
                self._wait_at_gate()
                continue
            before = self.chunker.captured
            try:
                feed = self._open()
                try:
                    self._opened(feed, again=opened)
                    opened = True
                    over = self._drain(feed, skip_frames=0 if self._live else seen_in_pass)
                finally:
                    feed.close()
            except BrokenError as error:
                seen_in_pass += self.chunker.captured - before
                if self.chunker.captured > before:
                    backoff.reset()
                if not self._change(partial(_lost, error, self._clock.monotonic_s())):
                    return
                self._interrupt.wait(min(backoff.next_s(), self.machine.left_s(self._clock.monotonic_s())))
                continue
            if over:
                return
            seen_in_pass = 0

    def _opened(self, feed: FrameSource, *, again: bool) -> None:
        traits = feed.traits
        if traits.live and self.plan.lossless:
            raise BrokenError("a live source cannot wait: set watch.lossless = false, or give a file", final=True)
        self._live = traits.live
        nominal_s = usable_nominal(traits.nominal_s)
        if not again:
            self.chunker = Chunker(self.plan.sample_fps, self.plan.overlap, nominal_s)
            self.machine.can_fail = not traits.live
        elif traits.live:
            self.chunker.break_off(self._clock.monotonic_s() - self._frame_at_s)
        self._pacer.restart()
        self.tap.tune(nominal_s, traits.pixel_aspect)
        self._shrinker = FrameScaler(self._settings.shorter_side, traits.pixel_aspect)

    def _drain(self, feed: FrameSource, skip_frames: int) -> bool:
        """Plays an open source. True = the run is over; False = open it again."""
        before = self.chunker.captured
        for number, picture in enumerate(feed.pictures(self._must_leave)):
            if number >= skip_frames and not self._see(picture, feed):
                break
        if self._stopped:
            return True
        if self._paused:  # a live source is closed for a pause, and opened again after it
            return False
        if feed.traits.live:
            raise BrokenError("the other side closed the stream", final=False)
        return self._file_ended(feed, skip_frames + self.chunker.captured - before)

    def _see(self, picture: DecodedFrame, feed: FrameSource) -> bool:
        """One frame. False = stop reading."""
        pts_s, wanted = self.chunker.see(picture.raw_s)
        if self._paced(feed) and self._pacer.until(pts_s) and not self._held_up():
            return False
        self._note_frame()
        shown = self.tap.wants()
        if not (wanted or shown):
            return True
        available_at_s = self._clock.now_s()
        frame = picture.make()
        if frame is None:
            return True
        if shown:
            self.tap.show(frame, pts_s)
        if wanted:
            cut = self.chunker.take(pts_s, self._shrinker.rgb(frame), available_at_s)
            if cut is not None and cut.index >= self.plan.skip:
                self.behind += self.cuts.offer(cut)
        return True

    def _paced(self, feed: FrameSource) -> bool:
        if feed.traits.live:
            return feed.traits.paced
        # What is on the bus already is gone through as fast as it goes.
        return self.plan.realtime and self.chunker.due >= self.plan.skip

    def _file_ended(self, feed: FrameSource, frames: int) -> bool:
        chunker, duration_s = self.chunker, feed.traits.duration_s
        if chunker.captured == 0:
            raise BrokenError(f"no frame of it can be decoded ({feed.note or 'it has none'})", final=True)
        if self.plan.loop and frames > 0:
            chunker.timeline.restart()
            return False
        detail = [feed.note] if feed.note else []
        if duration_s and not self.plan.loop and chunker.timeline.last_s < duration_s - CUT_SHORT_S:
            detail.append(f"cut short: it ends after {chunker.timeline.last_s:.1f} of {duration_s:.1f} s")
        if chunker.due == 0:
            needed_s = CHUNK_FRAMES / self.plan.sample_fps
            detail.append(
                f"too short for a chunk: {chunker.sampled} of {CHUNK_FRAMES} sampled frames; {needed_s:.1f} s needed"
            )
        self._change(lambda machine: machine.ended("; ".join(detail)))
        return True

    # Waiting and being woken.

    def _must_leave(self) -> bool:
        """Asked between frames: stop reading, or wait here?"""
        return self._interrupt.is_set() and not self._held_up()

    def _held_up(self) -> bool:
        """Something has woken us. A file waits here for the end of a pause, and goes on (True); else False: leave."""
        if self._paused and not self._live and not self._stopped:
            self._wait_at_gate()
            self._pacer.restart()
        return not self._stopped and not (self._paused and self._live)

    def _wait_at_gate(self) -> None:
        self._change(SourceState.paused)
        with self._gate:
            while self._paused and not self._stopped:
                self._gate.wait()
        if not self._stopped:
            self._change(SourceState.resumed)

    def _note_frame(self) -> None:
        machine = self.machine
        now_s = self._frame_at_s = self._clock.monotonic_s()
        if machine.state == "playing":
            machine.frame(now_s)  # one attribute is set: no lock for every frame
        else:
            self._change(lambda machine: machine.frame(now_s))

    def _change(self, step: Callable[[SourceState], bool | None]) -> bool:
        with self._lock:
            before = (self.machine.state, self.machine.detail)
            result = step(self.machine)
            if before != (self.machine.state, self.machine.detail):
                self._news.append(StateChange(self.machine.state, self.machine.detail))
        self.bell.ring()
        return bool(result)

    def _tell(self) -> None:
        self._news.append(StateChange(self.machine.state, self.machine.detail))


def _lost(error: BrokenError, now_s: float, machine: SourceState) -> bool:
    return machine.lost(error, now_s)
