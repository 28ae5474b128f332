"""Captures one source: runs it, one run after another, from the decoding thread onto the bus.

A runner lives as long as the lease of its source; its `RunResult` tells why it ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from redis.exceptions import ResponseError

from cornerman_capture.core import ChunkCounts, Continuation, DecodePlan
from cornerman_capture.phases import late_s
from cornerman_capture.picture_streams import publish_previews, read_pushed_frames
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.publisher import Publisher
from cornerman_capture.reporter import Reporter
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.source_state import StateChange
from cornerman_capture.sources.opening import SourceOpener
from cornerman_capture.sources.push import Inbox
from cornerman_capture.stills import Stills
from cornerman_common.looks import look_plan
from cornerman_shared.aio import background, leaves, retry
from cornerman_shared.bus.commit import publish_error
from cornerman_shared.bus.mending import mend_source
from cornerman_shared.bus.messages import ErrorEvent
from cornerman_shared.bus.redis_client import is_wrong_type
from cornerman_shared.bus.runs import RunInfo, begin_run
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.memory_gate import MemoryGate
    from cornerman_shared.bus.messages import SourceStateName
    from cornerman_shared.process.metrics import Metrics
    from cornerman_shared.settings.source import SourceSpec

log = get_logger("session")

JOIN_S: Final = 1.0
"""How long to wait for a decoding thread; one that blocks in FFmpeg ends later, at its read timeout."""

StopReason = Literal["changed", "stopped", "removed", "lost"]
RunResult = Literal["over", "stopped", "removed", "lost"]


def identity(spec: SourceSpec, shorter_side: int) -> str:
    """Hash of the settings that determine the chunks of a run. Another identity needs a new run.

    Credit and display are left out, because they do not change the chunks; so are the sizes and times of other looks
    than chunks, which change while a run goes on, unless it is lossless: then it must be decoded again as it was.
    Holds no credentials.
    """
    # Without `follow` where it is off, so that runs of builds that did not know it go on.
    left_out = {"credit", "display", "look", "frames", "stride", "window_s"}
    left_out |= set() if spec.watch.follow else {"follow"}
    look = look_plan(spec)
    parts: list[Any] = [spec.url, shorter_side]
    if look.kind == "chunk":
        parts.append(spec.watch.model_dump(exclude=left_out))
    else:
        parts.append(spec.watch.model_dump(exclude=left_out | {"sample_fps", "overlap"}))
        parts.append(asdict(look) if _repeats(spec) else look.kind)
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_pushed(spec: SourceSpec) -> bool:
    """Whether its frames come through the gateway."""
    return spec.url.lower().startswith("push:")


class SourceRunner:
    """Captures one source.

    Args:
        bus: an open bus.
        spec: settings of the source; `update` changes them.
        lease: of the source, held.
        metrics: of this process.
        memory: of the servers.
        incarnation: of the source; 0 = it has none.
        number: of the source in this process, from 0.
    """

    def __init__(
        self,
        bus: Bus,
        spec: SourceSpec,
        lease: Lease,
        metrics: Metrics,
        memory: MemoryGate,
        incarnation: int = 0,
        number: int = 0,
    ) -> None:
        self.spec = spec
        self.incarnation = incarnation
        self._number = number
        self._bus, self._lease, self._metrics, self._memory = bus, lease, metrics, memory
        self.reached = ("", 0)  # run, and chunks of it that the server has acknowledged
        self._stop_reason: StopReason | None = None
        self._decoder: SourceDecoder | None = None
        self._reporter: Reporter | None = None

    @property
    def state(self) -> SourceStateName:
        """State of the source, as last reported."""
        return self._reporter.state if self._reporter else "waiting"

    def update(self, spec: SourceSpec, incarnation: int) -> None:
        """Applies new settings. Pause, credit and display take effect in the current run; others start a new run.

        Polls and stride looks change in the current run, too, unless it is lossless. Another incarnation, which is
        another source under the same id, also starts a new run.
        """
        side = self._bus.settings.capture.shorter_side
        needs_new_run = incarnation != self.incarnation or identity(spec, side) != identity(self.spec, side)
        self.spec, self.incarnation = spec, incarnation
        if needs_new_run:
            self._stop("changed")
        elif self._decoder is not None:
            self._decoder.change_look(look_plan(spec))
            self._decoder.pause(spec.paused)

    def stop(self, reason: Literal["stopped", "removed"]) -> None:
        """Ends the runner soon."""
        self._stop(reason)

    def _stop(self, reason: StopReason) -> None:
        if self._stop_reason in (None, "changed"):
            self._stop_reason = reason
        if self._decoder is not None:
            self._decoder.stop()

    async def run(self) -> RunResult:
        """Captures until the source is over, the runner is stopped or the lease is lost; survives a lost server."""
        result: RunResult = "lost"
        try:
            async with self._lease.auto_renew(), background(self._watch_lease()):
                while (reason := await self._run_reported()) == "changed":
                    self._stop_reason = None
                result = reason or "over"
        except* FencedError as errors:  # publisher and reporter may both be fenced
            message = str(errors.exceptions[0])
            log.warning("source_taken_over", source_id=self.spec.source_id, message=message)
        except* ResponseError as errors:
            # A script met a damaged key of this source; the next run starts without it. Another process may have been
            # faster to delete it.
            mended = await retry(partial(mend_source, self._bus, self.spec.source_id, "capture"))
            if not mended and not all(map(is_wrong_type, leaves(errors))):
                raise
        return result

    async def _watch_lease(self) -> None:
        await self._lease.lost.wait()
        self._stop("lost")

    async def _run_reported(self) -> StopReason | None:
        """Runs once; an unexpected error becomes the source's state before it is raised."""
        try:
            return await self._run_once()
        except Exception as error:
            if not any(isinstance(each, FencedError) for each in leaves(error)):
                await self._report_failure(error)
            raise

    async def _report_failure(self, error: Exception) -> None:
        cause = "; ".join(f"{type(each).__name__}: {each}" for each in leaves(error))
        if self._reporter is None or not self._lease.held:
            return
        try:
            await self._reporter.report(StateChange("reconnecting", redact_url(cause)))
        except Exception:  # the error itself goes on; it may be the reason of this one
            log.exception("state_not_reported", source_id=self.spec.source_id)

    async def _run_once(self) -> StopReason | None:
        """Captures one run. Returns the reason of a stop, or None at the end of the source."""
        spec, settings, clock = self.spec, self._bus.settings.capture, self._bus.clock
        incarnation = self.incarnation
        info = await self._begin(identity(spec, settings.shorter_side), incarnation)
        if info is not None:
            await self._compare(info)
        if info is None or info.ended:
            return self._stop_reason
        repeats = _repeats(spec)
        inbox = Inbox()
        previews = PreviewEncoder(clock, settings.display_width, settings.display_quality)
        opener = SourceOpener(spec.url, settings, inbox, follow=spec.watch.follow)
        plan = _plan(spec, info, repeats=repeats, number=self._number)
        decoder = SourceDecoder(plan, opener, settings, clock, previews)
        # A lossless file is decoded from its start, so it counts from there as well.
        counts = ChunkCounts(info.next_seq) if repeats else ChunkCounts.continued(info.next_seq, info.counters)
        publisher = Publisher(
            self._bus,
            self._lease,
            info.run,
            lambda: self.spec,
            counts,
            lambda: self._stop_reason is not None,
            self._metrics,
            Stills(self._bus, info.run, lambda: self.spec),
            self._memory,
            incarnation,
        )
        reporter = Reporter(
            self._bus, self._lease, spec.source_id, info.run, decoder, counts, self._metrics, incarnation
        )
        # From here on `update` and `stop` reach the decoder.
        self._decoder, self._reporter = decoder, reporter
        decoder.pause(self.spec.paused)
        if self._stop_reason is not None:  # set while `_begin` waited for the server
            decoder.stop()
        decoder.start()
        try:
            async with background(
                reporter.report_loop(),
                publish_previews(self._bus, lambda: self.spec, info.run, previews),
                *([read_pushed_frames(self._bus, spec.source_id, inbox)] if is_pushed(spec) else []),
            ):
                await publisher.publish_all(decoder.chunks)
        finally:
            self.reached = (info.run, counts.published)
            decoder.stop()
            self._decoder = None
            # Two decoders must not use one device, so the thread is joined before the next run.
            await asyncio.to_thread(decoder.join, JOIN_S)
        # A replaced incarnation has been ended by the registry; nothing of its run may follow.
        if incarnation == self.incarnation:
            await self._finish(decoder, counts, publisher, reporter, repeats=repeats)
        return self._stop_reason

    async def _compare(self, info: RunInfo) -> None:
        """Tells if the server has fewer chunks of the run than it acknowledged: a fail-over has lost the newest."""
        run, published = self.reached
        if info.run != run or info.next_seq >= published:
            return
        lost, source_id = published - info.next_seq, self.spec.source_id
        log.error("chunks_lost", source_id=source_id, run=run, lost=lost)
        self._metrics.errors_total.labels("server_went_back").inc()
        message = f"the server lost the newest {lost} chunks in a fail-over; the source goes on behind the others"
        await publish_error(self._bus, ErrorEvent(source_id, run, "capture", message, self._bus.clock.now_s()))

    async def _begin(self, identity: str, incarnation: int) -> RunInfo | None:
        """Starts or continues the run on the server. Returns None when stopped before it answers."""
        source_id = self.spec.source_id
        run = f"{int(self._bus.clock.now_s() * 1000):x}-{uuid.uuid4().hex[:6]}"

        async def begin() -> RunInfo:
            await mend_source(self._bus, source_id, "capture")
            start = partial(begin_run, self._bus, source_id, run, identity, self._lease, incarnation=incarnation)
            info = await start(resume=True)
            # A version that stores no media time left it: a run in which time went back would be no run.
            unknown = info.next_seq > 0 and info.pts_s is None and not info.ended and not _repeats(self.spec)
            return await start(resume=False) if unknown else info

        if self._stop_reason is not None:
            return None
        try:
            return await retry(begin, keep_trying=lambda: self._stop_reason is None, cap_s=1.0)
        except RetryableError:
            return None

    async def _finish(
        self, decoder: SourceDecoder, counts: ChunkCounts, publisher: Publisher, reporter: Reporter, *, repeats: bool
    ) -> None:
        """Reports the last counters and state; publishes the end marker unless the process stops. Needs the lease."""
        if self._stop_reason in ("lost", "removed"):
            return
        await self._while_held(publisher.learn_published)
        at_its_end = decoder.state.over and counts.pending(decoder.chunker.due) == 0
        if self._stop_reason == "stopped" and at_its_end:
            self._stop_reason = None
        # A stopping process ends no source: the next owner of the lease goes on with it.
        continues = self._stop_reason == "stopped"
        if not (continues and repeats):
            if not decoder.plan.lossless:
                counts.set_dropped("behind", decoder.behind)
            counts.close(decoder.chunker.due, counts.published)
        await self._while_held(reporter.report_counters)
        if not continues:
            before = counts.published
            await self._while_held(partial(publisher.publish_end, max(0.0, decoder.chunker.timeline.last_s)))
            if counts.published > before:
                counts.close(decoder.chunker.due, counts.published)
                await self._while_held(reporter.report_counters)
        # Subscribers see the end only after the end marker is on the bus.
        reporter.may_end = self._stop_reason is None
        if self._stop_reason == "stopped":
            change = StateChange("waiting", "its capture process has stopped")
            await self._while_held(partial(reporter.report, change))
        else:
            await self._while_held(reporter.report_changes)

    async def _while_held(self, step: Callable[[], Awaitable[None]]) -> None:
        """Runs `step`, retrying while the lease is held; a stopping process tries once."""
        if not self._lease.held:
            return
        try:
            await retry(step, keep_trying=lambda: self._lease.held and self._stop_reason != "stopped", cap_s=1.0)
        except RetryableError as error:
            log.debug("report_dropped", source_id=self.spec.source_id, error=str(error))


def _repeats(spec: SourceSpec) -> bool:
    """Whether a continued run is decoded from its start, chunk by chunk as before."""
    return spec.watch.lossless and not spec.watch.loop


def _plan(spec: SourceSpec, info: RunInfo, *, repeats: bool, number: int) -> DecodePlan:
    watch, look = spec.watch, look_plan(spec)
    in_real_time = watch.realtime and not watch.lossless and not is_pushed(spec)
    place = None
    if not repeats and info.pts_s is not None:
        place = Continuation(info.pts_s, info.away_s, info.next_seq)
    # Whether http is a camera or a file is known only once it has been opened.
    remote = ("rtsp:", "rtsps:", "http:", "https:", "device:", "/dev/video")
    can_fail = not (spec.url.lower().startswith(remote) or watch.follow)
    return DecodePlan(
        look=look,
        lossless=watch.lossless,
        realtime=watch.realtime,
        loop=watch.loop,
        can_fail=can_fail,
        give_up_s=watch.give_up_s,
        skip=info.next_seq if repeats else 0,
        continues=place,
        late_s=late_s(number, look) if in_real_time else 0.0,
    )
