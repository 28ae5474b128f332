"""Decodes one run of one source in a thread: opens, reopens, paces, samples, and queues pending chunks.

The thread does not use the bus. It blocks in FFmpeg, in the pacer or in the queue, and `stop` ends each of these waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from cornerman_capture.broken import BrokenError
from cornerman_capture.core import Chunker
from cornerman_capture.looks import changed_cutter, look_cutter
from cornerman_capture.pacing import Pacer
from cornerman_capture.scaling import FrameScaler
from cornerman_capture.source_state import SourceState, StateChange
from cornerman_capture.thread_queue import LIVE_DEPTH, LOSSLESS_DEPTH, ThreadEvent, ThreadQueue
from cornerman_common.looks import note_of_start, too_short
from cornerman_media.clock import ClockWatch
from cornerman_media.timestamps import believable_interval
from cornerman_shared.backoff import Backoff
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman_capture.core import DecodePlan, PendingChunk
    from cornerman_capture.preview import PreviewEncoder
    from cornerman_capture.sources.base import DecodedFrame, FrameSource
    from cornerman_common.looks import LookPlan
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.tree import CaptureSettings

    Opener = Callable[[], FrameSource]

log = get_logger("decode")

HUNG_STALLS: Final = 4.0
"""A reader that has not answered for so many times `capture.stall_s` hangs; FFmpeg's own limit is half of it."""

MOST_REPLACED: Final = 8
"""So many hanging threads of one run are left to themselves; then it fails."""

FIRST_WAIT_S: Final = 0.5
"""Upper bound of the first wait before a source is opened again, seconds."""


class SourceDecoder:
    """Decodes one run. Make and use it in the event loop; `start` starts the thread.

    Args:
        plan: how to decode.
        opener: opens the source; called in the thread, again after each break.
        settings: sizes and limits.
        clock: wall and monotonic time.
        previews: encodes frames for viewers.

    Attributes:
        changed: set at each change of state and at the end of the thread.
        chunks: pending chunks; closed at the end of the run.
        behind: chunks that the queue dropped because they were not taken in time.
        repeated: frames of a continued file that were decoded again to get to its place.
    """

    def __init__(
        self, plan: DecodePlan, opener: Opener, settings: CaptureSettings, clock: Clock, previews: PreviewEncoder
    ) -> None:
        self.plan = plan
        self.changed = ThreadEvent()
        self.chunks: ThreadQueue[PendingChunk] = ThreadQueue(
            LOSSLESS_DEPTH if plan.lossless else LIVE_DEPTH, lossless=plan.lossless
        )
        self.chunker = Chunker(look_cutter(plan.look))
        self.behind = 0
        self.repeated = 0
        self.state = SourceState(settings.stall_s, can_fail=plan.can_fail, give_up_s=plan.give_up_s)
        self._look = plan.look
        self._open = opener
        self._settings = settings
        self._clock = clock
        self._previews = previews
        self._changes: deque[StateChange] = deque()
        self._lock = threading.Lock()  # guards `state` and `_changes`
        self._unpaused = threading.Condition()  # guards `_stopped` and `_paused`
        self._stopped = self._paused = False
        self._interrupt = threading.Event()
        self._pacer = Pacer(clock.monotonic_s, self._interrupt.wait)
        self._live = False
        self._watch = ClockWatch()
        self._frame_at_s = self._made_at_s = clock.monotonic_s()
        self._goes_on_behind_s = -1.0  # a continued file is decoded, and not used, up to here
        self._first_s = 0.0  # media time of the first frame
        self._polled_at_s = self._frame_at_s  # when the source last asked whether to stop
        self._replaced = 0
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)

    # Called from the event loop.

    def start(self) -> None:
        """Starts the thread."""
        self._changes.append(StateChange(self.state.name, self.state.detail))
        self._thread.start()

    def stop(self) -> None:
        """Ends the run soon; queued chunks can still be taken."""
        with self._unpaused:
            self._stopped = True
            self._interrupt.set()
            self._unpaused.notify_all()
        self.chunks.close()
        self._previews.frames.close(discard=True)

    def pause(self, paused: bool) -> None:
        """Pauses or resumes. A file keeps its position; a live source is closed and opened again."""
        with self._unpaused:
            self._paused = paused
            if paused:
                self._interrupt.set()
            elif not self._stopped:
                self._interrupt.clear()
            self._unpaused.notify_all()

    def change_look(self, look: LookPlan) -> None:
        """Cuts looks by another plan from the next frame on."""
        self._look = look

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread; returns False if it still runs, e.g. blocked in FFmpeg. It is a daemon thread."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def poll_changes(self) -> list[StateChange]:
        """Checks for a stall; returns the changes of state since the last call, oldest first.

        A reader that does not even ask whether to stop hangs, as in a driver: another thread opens the source.
        """
        now_s = self._clock.monotonic_s()
        with self._lock:
            if self._live:
                before = self.state.name
                self.state.check_stall(now_s)
                if self.state.name != before:
                    self._changes.append(StateChange(self.state.name, self.state.detail))
            hung_s = now_s - max(self._frame_at_s, self._polled_at_s)
            hangs = self._live and self.state.name == "stalled" and hung_s > HUNG_STALLS * self._settings.stall_s
        if hangs:
            self._replace_thread(hung_s)
        with self._lock:
            changes = list(self._changes)
            self._changes.clear()
        return changes

    def _replace_thread(self, hung_s: float) -> None:
        """Leaves the hanging thread to itself, which ends when it wakes up, and opens the source in another one."""
        self._replaced += 1
        what = f"its reader has not answered for {hung_s:.0f} s"
        log.warning("reader_hangs", replaced=self._replaced)
        if self._replaced > MOST_REPLACED:
            error = BrokenError(f"{what}, as {MOST_REPLACED} times before: restart capture, or the camera", final=True)
        else:
            error = BrokenError(f"{what}: it is opened again", final=False, fault="broke_off")
        self._thread = threading.Thread(target=self._run, args=(True,), name="decoder", daemon=True)
        goes_on = self._change(partial(_on_error, error, self._clock.monotonic_s()))
        if not goes_on:
            self.stop()
        self._thread.start()

    # Called in the thread.

    def _run(self, opened: bool = False) -> None:
        try:
            self._decode(opened)
        except Exception as error:
            log.error("decoder_crashed", exc_info=error)
            detail = f"decoding failed unexpectedly: {redact_url(repr(error))}"
            if not self._superseded():
                self._change(lambda state: state.fail(detail))
        finally:
            if not self._superseded():
                self.chunks.close()
                self._previews.frames.close()
                self.changed.set()

    def _superseded(self) -> bool:
        """Whether another thread has taken over because this one hung."""
        return threading.current_thread() is not self._thread

    def _decode(self, opened: bool) -> None:
        backoff = Backoff(base_s=FIRST_WAIT_S, cap_s=max(FIRST_WAIT_S, self._settings.backoff_max_s))
        if self.plan.late_s and not opened:
            self._interrupt.wait(self.plan.late_s)
        frames_in_pass = 0  # frames of a file decoded before it broke off, to be skipped when it is opened again
        while not self._stopped:
            if self._paused:
                self._wait_while_paused()
                continue
            before = self.chunker.captured
            try:
                source = self._open()
                try:
                    self._on_opened(source, again=opened)
                    opened = True
                    over = self._read(source, skip_frames=0 if self._live else frames_in_pass)
                finally:
                    source.close()
            except BrokenError as error:
                if self._superseded():
                    return
                frames_in_pass += self.chunker.captured - before
                if self.chunker.captured > before:
                    backoff.reset()
                if not self._change(partial(_on_error, error, self._clock.monotonic_s())):
                    return
                self._interrupt.wait(min(backoff.next_s(), self.state.time_left_s(self._clock.monotonic_s())))
                continue
            if over:
                return
            frames_in_pass = 0

    def _on_opened(self, source: FrameSource, *, again: bool) -> None:
        info = source.info
        if info.live and self.plan.lossless:
            raise BrokenError("a live source cannot wait: set watch.lossless = false, or give a file", final=True)
        self._live = info.live
        nominal_s = believable_interval(info.nominal_s)
        if not again:
            self.chunker = self._first_chunker(nominal_s)
            since_s = max(0.0, self._goes_on_behind_s, self._first_s)
            note = "" if self.plan.skip else note_of_start(self._look, since_s)
            self._change(lambda state: state.remark(note))
            self.state.can_fail = not info.live
        elif info.live:
            self._watch.restart()
            self.chunker.restart(self._clock.monotonic_s() - self._frame_at_s)
        self._pacer.restart()
        self._shape(source)

    def _shape(self, source: FrameSource) -> None:
        aspect = source.info.pixel_aspect
        self._previews.configure(believable_interval(source.info.nominal_s), aspect)
        self._scaler = FrameScaler(self._settings.shorter_side, aspect)

    def _first_chunker(self, nominal_s: float) -> Chunker:
        """The chunker of the run. A continued run never goes back in media time.

        A live source is as far ahead as it was away; a looped file begins another pass; any other file is read from
        its start up to its place.
        """
        plan, place = self.plan, self.plan.continues
        if place is None:
            return Chunker(look_cutter(self._look, nominal_s), nominal_s)
        if self._live:
            first_s = place.pts_s + place.away_s + self._clock.monotonic_s() - self._made_at_s
        elif plan.loop:
            first_s = place.pts_s + nominal_s
        else:
            first_s, self._goes_on_behind_s = 0.0, place.pts_s
        self._first_s = first_s
        index = place.chunks if plan.lossless else 0
        return Chunker(look_cutter(self._look, nominal_s), nominal_s, first_s=first_s, first_index=index)

    def _read(self, source: FrameSource, skip_frames: int) -> bool:
        """Reads an open source. Returns True if the run is over, False to open the source again."""
        before = self.chunker.captured
        for number, frame in enumerate(source.frames(self._should_stop)):
            if self._superseded() or (number >= skip_frames and not self._process(frame, source)):
                break
        if self._stopped or self._superseded():
            return True
        if self._paused:  # only a live source leaves the loop for a pause
            return False
        if source.info.live:
            raise BrokenError("the other side closed the stream", final=False)
        return self._on_file_end(source, skip_frames + self.chunker.captured - before)

    def _process(self, decoded: DecodedFrame, source: FrameSource) -> bool:
        """Processes one frame; returns False to stop reading."""
        raw_s = decoded.raw_s
        if self._live and not source.info.paced:
            raw_s = self._by_right_clock(raw_s)
        if self.chunker.looks.plan != self._look:
            self.chunker.looks = changed_cutter(self.chunker.looks, self._look, self.chunker.timeline.nominal_s)
        pts_s, sampled = self.chunker.stamp(raw_s, decoded.duration_s)
        if pts_s <= self._goes_on_behind_s:
            self.repeated += 1
            self.chunker.pass_over()
            return not self._stopped
        if self._is_paced(source) and self._pacer.wait_until(pts_s) and not self._continues():
            return False
        self._register_frame()
        previewed = self._previews.wants()
        if not (sampled or previewed):
            return True
        available_at_s = self._clock.now_s()
        if source.info.pixel_aspect != self._scaler.pixel_aspect:
            self._shape(source)
        frame = decoded.decode()
        if frame is None:
            return True
        if previewed:
            self._previews.encode(frame, pts_s)
        if sampled:
            chunk = self.chunker.push(pts_s, self._scaler.rgb(frame), available_at_s)
            if chunk is not None and self.chunker.due == 1 and self._look.kind == "poll":
                self._change(lambda state: state.remark(self._watch.note))
            if chunk is not None and chunk.index >= self.plan.skip:
                self.behind += self.chunks.put(chunk)
        return True

    def _by_right_clock(self, raw_s: float | None) -> float | None:
        """The timestamp, or one by arrival if the source's own clock is wrong, which is then told."""
        watch = self._watch
        before = watch.pace
        raw_s = watch.see(raw_s, self._clock.monotonic_s())
        if watch.pace != before:
            self._change(lambda state: state.remark(watch.note))
        return raw_s

    def _is_paced(self, source: FrameSource) -> bool:
        if source.info.live:
            return source.info.paced
        # The part of a continued run that is on the bus already is read as fast as possible.
        return self.plan.realtime and self.chunker.due >= self.plan.skip

    def _on_file_end(self, source: FrameSource, frames: int) -> bool:
        chunker = self.chunker
        if chunker.captured == 0:
            raise BrokenError(f"no frame of it can be decoded ({source.note or 'it has none'})", final=True)
        if self.plan.loop and frames > 0:
            chunker.timeline.restart()
            return False
        if (chunk := chunker.finish(self._clock.now_s())) is not None and chunk.index >= self.plan.skip:
            self.behind += self.chunks.put(chunk)
        detail = [source.note] if source.note else []
        if not self.plan.loop and (missing := source.cut_short()):
            detail.append(missing)
        if chunker.due == 0 and self.plan.continues is None:
            detail.append(too_short(chunker.looks.plan, chunker.sampled, max(0.0, chunker.timeline.last_s)))
        self._change(lambda state: state.end("; ".join(detail)))
        return True

    # Interrupts, in the thread.

    def _should_stop(self) -> bool:
        """Called by the source between frames; waits during the pause of a file."""
        if self._superseded():
            return True
        self._polled_at_s = self._clock.monotonic_s()
        return self._interrupt.is_set() and not self._continues()

    def _continues(self) -> bool:
        """Handles an interrupt: a file waits until it is resumed. Returns False to stop reading."""
        if self._paused and not self._live and not self._stopped:
            self._wait_while_paused()
            self._pacer.restart()
        return not self._stopped and not (self._paused and self._live)

    def _wait_while_paused(self) -> None:
        self._change(SourceState.pause)
        with self._unpaused:
            while self._paused and not self._stopped:
                self._unpaused.wait()
        if not self._stopped:
            self._change(SourceState.resume)

    def _register_frame(self) -> None:
        now_s = self._frame_at_s = self._clock.monotonic_s()
        if self.state.name == "playing":
            self.state.on_frame(now_s)  # sets attributes that only this thread writes: no lock for every frame
        else:
            self._change(lambda state: state.on_frame(now_s))

    def _change(self, step: Callable[[SourceState], bool | None]) -> bool:
        with self._lock:
            before = (self.state.name, self.state.detail)
            result = step(self.state)
            if before != (self.state.name, self.state.detail):
                self._changes.append(StateChange(self.state.name, self.state.detail))
        self.changed.set()
        return bool(result)


def _on_error(error: BrokenError, now_s: float, state: SourceState) -> bool:
    return state.on_error(error, now_s)
