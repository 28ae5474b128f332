"""One source, watched by this process: its runs, one after the other, from the decoding thread onto the bus.

A session lives as long as the lease of its source, and says by its `RunResult` why it ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, Literal

from cornerman_capture.core import ChunkLedger
from cornerman_capture.picture_streams import publish_previews, read_pushed_frames
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.publisher import Publisher
from cornerman_capture.reporter import Reporter
from cornerman_capture.source_decoder import DecodePlan, SourceDecoder, StateChange
from cornerman_capture.sources.opening import open_source
from cornerman_capture.sources.push import Inbox
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import SourceStateName
from cornerman_shared.bus.publish import RunInfo, begin_run
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.source import SourceSpec

log = get_logger("session")

JOIN_S: Final = 1.0
"""How long a decoding thread is waited for; one blocked in FFmpeg ends by itself at its read timeout."""

Leaving = Literal["changed", "stopped", "removed", "lost"]
RunResult = Literal["over", "stopped", "removed", "lost"]


def identity(spec: SourceSpec, shorter_side: int) -> str:
    """Names what is watched and how: a change of it is a new run, and only the same one is continued.

    Neither credit nor display changes what the chunks are. Holds no credentials.
    """
    watch = spec.watch.model_dump(exclude={"credit", "display"})
    text = json.dumps([spec.url, shorter_side, watch], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class SourceRunner:
    """Watches one source.

    Args:
        bus: an open bus.
        spec: what to watch; `update` changes it.
        lease: of the source, held.
        metrics: of this process.
    """

    def __init__(self, bus: Bus, spec: SourceSpec, lease: Lease, metrics: Metrics) -> None:
        self.spec = spec
        self._bus, self._lease, self._metrics = bus, lease, metrics
        self._leaving: Leaving | None = None
        self._reel: SourceDecoder | None = None
        self._reporter: Reporter | None = None

    @property
    def state(self) -> SourceStateName:
        """Of the source, as last said."""
        return self._reporter.state if self._reporter else "waiting"

    def update(self, spec: SourceSpec) -> None:
        """The settings have changed. Pause, credit and display take effect in the run; the rest begins a new one."""
        side = self._bus.settings.capture.shorter_side
        anew = identity(spec, side) != identity(self.spec, side)
        self.spec = spec
        if anew:
            self._leave("changed")
        elif self._reel is not None:
            self._reel.pause(spec.paused)

    def stop(self, why: Literal["stopped", "removed"]) -> None:
        """Ends the session soon."""
        self._leave(why)

    def _leave(self, why: Leaving) -> None:
        if self._leaving in (None, "changed"):
            self._leaving = why
        if self._reel is not None:
            self._reel.stop()

    async def run(self) -> RunResult:
        """Watches until the source is over, or not ours to watch. A lost server is waited for."""
        async with self._lease.auto_renew():
            watcher = asyncio.create_task(self._heed_lease(), name=f"heed-lease:{self.spec.source_id}")
            try:
                while True:
                    why = await self._run_once()
                    if why != "changed":
                        return why or "over"
                    self._leaving = None
            except FencedError as error:
                log.warning("source_taken_over", source_id=self.spec.source_id, message=str(error))
                return "lost"
            finally:
                watcher.cancel()
                with suppress(asyncio.CancelledError):
                    await watcher

    async def _heed_lease(self) -> None:
        await self._lease.lost.wait()
        self._leave("lost")

    async def _run_once(self) -> Leaving | None:
        """One run. None = it came to its end."""
        spec, settings, clock = self.spec, self._bus.settings.capture, self._bus.clock
        resumable = spec.watch.lossless and not spec.watch.loop
        info = await self._begin(identity(spec, settings.shorter_side), resumable)
        if info is None or info.ended:
            return self._leaving
        done = info.next_seq if resumable else 0
        inbox = Inbox()
        tap = PreviewEncoder(clock, settings.display_width, settings.display_quality)
        reel = SourceDecoder(_plan(spec, done), partial(open_source, spec.url, settings, inbox), settings, clock, tap)
        ledger = ChunkLedger(published=done)
        publisher = Publisher(
            self._bus, self._lease, info.run, lambda: self.spec, ledger, lambda: self._leaving is not None
        )
        reporter = Reporter(self._bus, self._lease, spec.source_id, info.run, reel, ledger, self._metrics)
        self._reel, self._reporter = reel, reporter
        reel.pause(self.spec.paused)
        if self._leaving is not None:  # it came while we began
            reel.stop()
        reel.start()
        try:
            await _beside(
                publisher.publish_all(reel.cuts),
                reporter.run_loop(),
                publish_previews(self._bus, lambda: self.spec, info.run, tap),
                *([read_pushed_frames(self._bus, spec.source_id, inbox)] if spec.url.startswith("push:") else []),
            )
        finally:
            reel.stop()
            self._reel = None
            await asyncio.to_thread(reel.join, JOIN_S)
        await self._finish(reel, ledger, publisher, reporter, resumable)
        return self._leaving

    async def _begin(self, what: str, resumable: bool) -> RunInfo | None:
        """The run on the server. None = we are to leave."""
        source_id = self.spec.source_id
        key = self._bus.keys(source_id).run(source_id)
        run = f"{int(self._bus.clock.now_s() * 1000):x}-{uuid.uuid4().hex[:6]}"
        backoff = Backoff(base_s=0.05, cap_s=1.0)
        while self._leaving is None:
            try:
                with redis_errors():
                    ended, before = await self._bus.redis.hmget(key, ["ended", "url"])
                if ended == b"1" and before == what.encode():
                    return RunInfo(run, 0, ended=True)
                return await begin_run(self._bus, source_id, run, what, self._lease, resume=resumable)
            except RetryableError:
                await asyncio.sleep(backoff.next_s())
        return None

    async def _finish(
        self, reel: SourceDecoder, ledger: ChunkLedger, publisher: Publisher, reporter: Reporter, resumable: bool
    ) -> None:
        """The last numbers, the end marker, the last state; as far as they are ours to give."""
        if self._leaving == "lost":
            return
        came_to_its_end = reel.machine.over and ledger.unsettled(reel.chunker.due) == 0
        if self._leaving == "stopped" and came_to_its_end:
            self._leaving = None
        continues = self._leaving == "stopped" and resumable
        if not continues:
            if not reel.plan.lossless:
                ledger.has_dropped("behind", reel.behind)
            ledger.drop("stopped", ledger.unsettled(reel.chunker.due))
        await self._surely(reporter.count)
        if not continues:
            await self._surely(partial(publisher.publish_end, max(0.0, reel.chunker.timeline.last_s)))
        reporter.may_end = self._leaving is None
        if self._leaving == "stopped":
            await self._surely(partial(reporter.say, StateChange("waiting", "its capture process has stopped")))
        elif self._leaving == "removed":
            await self._surely(partial(reporter.say, StateChange("ended", "the source was removed")))
        else:
            await self._surely(reporter.tell)

    async def _surely(self, step: Callable[[], Awaitable[None]]) -> None:
        """Does it, through a lost server, as long as the lease may be ours and nobody tells us to stop."""
        backoff = Backoff(base_s=0.05, cap_s=1.0)
        while self._lease.held:
            try:
                await step()
                return
            except RetryableError:
                if self._leaving == "stopped":
                    return
                await asyncio.sleep(backoff.next_s())


async def _beside(work: Awaitable[None], *helpers: Awaitable[None]) -> None:
    """Runs `work` with helpers beside it, which end with it. The first failure of any ends all, and is raised."""
    tasks = [asyncio.ensure_future(item) for item in (work, *helpers)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        while not tasks[0].done():
            failed = [task for task in tasks if task.done() and task.exception()]
            if failed:
                failed[0].result()
            await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _plan(spec: SourceSpec, skip: int) -> DecodePlan:
    watch = spec.watch
    # Whether http is a camera or a file is known only once it has been opened.
    can_fail = not spec.url.lower().startswith(("rtsp:", "rtsps:", "http:", "https:", "device:", "/dev/video"))
    return DecodePlan(
        sample_fps=watch.sample_fps,
        overlap=watch.overlap,
        lossless=watch.lossless,
        realtime=watch.realtime,
        loop=watch.loop,
        can_fail=can_fail,
        give_up_s=watch.give_up_s,
        skip=skip,
    )
