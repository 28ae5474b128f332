"""Publishes pending chunks: pixels as a blob, then the chunk, once. Without credit, lossless waits and live drops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from cornerman_shared.aio import background
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.messages import Chunk, ErrorEvent, Times
from cornerman_shared.bus.publish import count_published, publish
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import FencedError, RetryableError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerman_capture.core import ChunkCounts, PendingChunk
    from cornerman_capture.stills import Stills
    from cornerman_capture.thread_queue import ThreadQueue
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.lease import Lease
    from cornerman_shared.bus.memory_gate import MemoryGate
    from cornerman_shared.bus.publish import Published
    from cornerman_shared.process.metrics import Metrics
    from cornerman_shared.settings.source import SourceSpec

log = get_logger("publisher")

CREDIT_POLL_S: Final = 0.02
"""How often a lossless source checks for credit."""

PIXEL_BACKENDS: Final = ("vlm", "openai")
"""Generator back ends that need the pixels of a chunk."""


class Publisher:
    """Publishes the chunks of one run.

    Args:
        bus: an open bus.
        lease: of the source.
        run: the run's id.
        spec: returns the current settings of the source; credit may change during the run.
        counts: counts published and dropped chunks.
        stopping: True = publish nothing more and do not wait.
        metrics: of this process.
        stills: keeps frames of this run that feedback is about.
        memory: of the servers; while one is full, lossless waits and live drops.
        incarnation: of the source.
    """

    def __init__(
        self,
        bus: Bus,
        lease: Lease,
        run: str,
        spec: Callable[[], SourceSpec],
        counts: ChunkCounts,
        stopping: Callable[[], bool],
        metrics: Metrics,
        stills: Stills,
        memory: MemoryGate,
        incarnation: int = 0,
    ) -> None:
        self._incarnation = incarnation
        self._bus, self._lease, self._run = bus, lease, run
        self._spec, self._counts, self._stopping, self._metrics = spec, counts, stopping, metrics
        self._keys = bus.keys(spec().source_id)
        self._source_id = spec().source_id
        self._lossless = spec().watch.lossless
        self._keep_frames = bus.settings.generator.backend in PIXEL_BACKENDS
        self._stills, self._memory = stills, memory
        self._full = False
        self._in_doubt = False  # the chunk at hand may be on the bus

    async def publish_all(self, chunks: ThreadQueue[PendingChunk]) -> None:
        """Publishes until the queue is closed and empty.

        Raises:
            FencedError: another process holds the lease, or a newer run has begun.
        """
        async with background(self._stills.store_loop()):
            while not self._stopping() and (chunk := await chunks.get()) is not None:
                await self._publish(chunk)
        if not self._stopping():
            await self._stills.flush()

    async def learn_published(self) -> None:
        """Reads how many chunks the server has: the answer to the last one may have been lost.

        Raises:
            FencedError: a newer run has begun.
            RetryableError: no answer.
        """
        published = await count_published(self._bus, self._source_id, self._run)
        if published is None:
            raise self._lease.fenced_error()
        lost, self._counts.published = self._counts.published - published, published
        if lost > 0:
            await self._tell_lost(lost)

    async def _tell_lost(self, lost: int) -> None:
        """Counts and tells chunks that a fail-over has lost; a lossless file is decoded again from there.

        Raises:
            FencedError: the source is to be taken up again.
        """
        again = self._lossless and not self._spec().watch.loop
        then = "they are published again" if again else "they are dropped"
        message = f"the server lost the newest {lost} chunks in a fail-over; {then}"
        log.error("chunks_lost", source_id=self._source_id, run=self._run, lost=lost, again=again)
        self._metrics.errors_total.labels("server_went_back").inc()
        event = ErrorEvent(self._source_id, self._run, "capture", message, self._bus.clock.now_s())
        with contextlib.suppress(RetryableError):  # the log and the metric tell it as well
            await self._bus.emit(event)
        if again:
            raise FencedError(message)
        self._counts.drop("failover", lost)

    async def publish_end(self, pts_s: float) -> None:
        """Publishes the end marker of the run, behind every chunk that was published.

        Args:
            pts_s: media time of the last frame, seconds.

        Raises:
            FencedError: another process holds the lease, or a newer run has begun.
            RetryableError: no answer; publishing it again is safe.
        """
        while await self._publish_end(pts_s) == "outdated":
            await self.learn_published()

    async def _publish_end(self, pts_s: float) -> Published:
        now_s = self._bus.clock.now_s()
        chunk = Chunk(
            source_id=self._source_id,
            run=self._run,
            seq=self._counts.published,
            pts_s=pts_s,
            frame_pts_s=(),
            motion=0.0,
            lossless=self._lossless,
            end=True,
            frames=None,
            keep_frames=False,
            times=Times(captured_at_s=now_s, published_at_s=now_s),
            incarnation=self._incarnation,
        )
        return await publish(self._bus, chunk, self._lease, 0)

    async def _publish(self, chunk: PendingChunk) -> None:
        """Publishes or drops a chunk; returns once the server has answered, or when stopping."""
        # After a lost reply the chunk may be on the bus, so its `seq` must not be given to another chunk: a live chunk
        # that was interrupted once is retried until it is answered, even without credit.
        seq = chunk.index if self._lossless else self._counts.published
        backoff = Backoff(base_s=CREDIT_POLL_S, cap_s=1.0)
        self._in_doubt, warned = False, False
        while True:
            try:
                has_room = await self._has_room()
                if has_room and await self._has_credit():
                    result = await self._put(chunk, seq)
                    if result == "behind":
                        await self.learn_published()
                        seq = self._counts.published
                        continue
                    if result != "no_credit":
                        self._counts.published += 1
                        self._stills.hold(chunk)
                        return
                if not self._lossless and not self._in_doubt:
                    self._counts.drop("no_credit" if has_room else "server_full")
                    return
                wait_s = CREDIT_POLL_S
            except RetryableError as error:
                if not warned:
                    log.warning(
                        "publishing_interrupted", source_id=self._source_id, run=self._run, seq=seq, error=str(error)
                    )
                warned, wait_s = True, backoff.next_s()
                self._memory.refused()
            if self._stopping():
                return
            await asyncio.sleep(wait_s)

    async def _put(self, pending: PendingChunk, seq: int) -> Published:
        """Stores the pixels, then publishes the chunk."""
        settings = self._bus.settings.bus
        ttl_s = settings.lossless_blob_ttl_s if self._lossless else settings.blob_ttl_s
        key = self._keys.blob(self._source_id, self._run, seq, "frames")
        # Pixels first: an encoder must never see a chunk whose pixels are not stored yet.
        frames = await self._bus.put_frames(key, pending.stacked(), ttl_s)
        times = Times(captured_at_s=pending.available_at_s).reached("published", self._bus.clock.now_s())
        chunk = Chunk(
            source_id=self._source_id,
            run=self._run,
            seq=seq,
            pts_s=pending.pts_s,
            frame_pts_s=pending.frame_pts_s,
            motion=pending.motion(),
            lossless=self._lossless,
            end=False,
            frames=frames,
            keep_frames=self._keep_frames,
            times=times,
            incarnation=self._incarnation,
            look=pending.look,
            thumbnail=pending.thumbnail().tobytes() if self._spec().speak.strategy == "scene" else b"",
        )
        self._in_doubt = True
        result = await publish(self._bus, chunk, self._lease, self._spec().watch.credit)
        self._in_doubt = False
        if result in ("no_credit", "behind"):
            await self._bus.free_blobs([frames])
        else:
            self._metrics.observe_stage("published", times.captured_at_s, times.published_at_s)
        return result

    async def _has_room(self) -> bool:
        """Checks the servers' memory long before they refuse writes; logs when it runs out and when it is back."""
        why = await self._memory.full()
        if bool(why) != self._full:
            self._full = bool(why)
            if why:
                log.error("server_full", source_id=self._source_id, message=why)
            else:
                log.info("server_has_room", source_id=self._source_id)
        return not why

    async def _has_credit(self) -> bool:
        """Checks credit before megabytes of pixels are sent; the publish script decides."""
        heal_s = self._bus.settings.bus.credit_heal_s
        since: float | str = "-inf" if self._lossless else self._bus.clock.now_s() - heal_s
        with redis_errors():
            used = await self._bus.redis.zcount(self._keys.inflight(self._source_id), since, "+inf")
        return int(used) < self._spec().watch.credit
