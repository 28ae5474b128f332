"""Cuts onto the bus: pixels as a blob, the chunk with credit, each once. Without credit, lossless waits, live skips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from cornerman_capture.core import ChunkLedger, PendingChunk
from cornerman_capture.stills import Stills
from cornerman_capture.thread_queue import ThreadQueue
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lease import Lease
from cornerman_shared.bus.messages import Chunk, Times
from cornerman_shared.bus.publish import publish
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.settings.source import SourceSpec

log = get_logger("publisher")

CREDIT_POLL_S: Final = 0.02
"""How often a lossless source looks whether credit has come back."""

PIXEL_BACKENDS: Final = ("vlm", "openai")
"""Generators that look at the pixels themselves."""


class Publisher:
    """Publishes one run.

    Args:
        bus: an open bus.
        lease: of the source.
        run: the run's id.
        spec: the source's settings now; credit may change while the run lasts.
        ledger: takes note of what became of each cut.
        leaving: True = publish no more, wait for nothing.
    """

    def __init__(
        self,
        bus: Bus,
        lease: Lease,
        run: str,
        spec: Callable[[], SourceSpec],
        ledger: ChunkLedger,
        leaving: Callable[[], bool],
    ) -> None:
        self._bus, self._lease, self._run = bus, lease, run
        self._spec, self._ledger, self._leaving = spec, ledger, leaving
        self._keys = bus.keys(spec().source_id)
        self._source_id = spec().source_id
        self._lossless = spec().watch.lossless
        self._keep_frames = bus.settings.generator.backend in PIXEL_BACKENDS
        self._stills = Stills(bus, run, spec)

    async def publish_all(self, cuts: ThreadQueue[PendingChunk]) -> None:
        """Takes cuts until there are no more.

        Raises:
            FencedError: the source is not ours any more.
        """
        keeping = asyncio.create_task(self._stills.keep(), name=f"stills:{self._source_id}")
        try:
            while not self._leaving() and (cut := await cuts.take()) is not None:
                await self._publish(cut)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        if not self._leaving():
            await self._stills.settle()

    async def publish_end(self, pts_s: float) -> None:
        """The marker that the run is over, and how many chunks came before.

        Raises:
            FencedError: the source is not ours any more.
            RetryableError: no answer; doing it again is safe.
        """
        now_s = self._bus.clock.now_s()
        chunk = Chunk(
            source_id=self._source_id,
            run=self._run,
            seq=self._ledger.published,
            pts_s=pts_s,
            frame_pts_s=(),
            motion=0.0,
            lossless=self._lossless,
            end=True,
            frames=None,
            keep_frames=False,
            times=Times(captured_at_s=now_s, published_at_s=now_s),
        )
        await publish(self._bus, chunk, self._lease, 0)

    async def _publish(self, cut: PendingChunk) -> None:
        """Until the server has said what became of it: a number once used must not be given to another cut."""
        seq = cut.index if self._lossless else self._ledger.published
        backoff = Backoff(base_s=0.02, cap_s=1.0)
        interrupted = False
        while True:
            try:
                if await self._has_credit() and await self._put(cut, seq):
                    self._ledger.published += 1
                    self._stills.hold(cut)
                    return
                if not self._lossless and not interrupted:
                    self._ledger.drop("no_credit")
                    return
                wait_s = CREDIT_POLL_S
            except RetryableError as error:
                if not interrupted:
                    log.warning("publishing_interrupted", source_id=self._source_id, seq=seq, error=str(error))
                interrupted, wait_s = True, backoff.next_s()
            if self._leaving():
                return
            await asyncio.sleep(wait_s)

    async def _put(self, cut: PendingChunk, seq: int) -> bool:
        """Blob, then chunk. False = no credit."""
        settings = self._bus.settings.bus
        ttl_s = settings.lossless_blob_ttl_s if self._lossless else settings.blob_ttl_s
        key = self._keys.blob(self._source_id, self._run, seq, "frames")
        frames = await self._bus.put_blob(key, cut.stacked(), ttl_s)
        chunk = Chunk(
            source_id=self._source_id,
            run=self._run,
            seq=seq,
            pts_s=cut.pts_s,
            frame_pts_s=cut.frame_pts_s,
            motion=cut.motion(),
            lossless=self._lossless,
            end=False,
            frames=frames,
            keep_frames=self._keep_frames,
            times=Times(captured_at_s=cut.available_at_s, published_at_s=self._bus.clock.now_s()),
        )
        outcome = await publish(self._bus, chunk, self._lease, self._spec().watch.credit)
        if outcome == "no_credit":
            await self._bus.free_blobs([frames])
        return outcome != "no_credit"

    async def _has_credit(self) -> bool:
        """A look ahead, so that megabytes are not sent for nothing; `publish` decides."""
        heal_s = self._bus.settings.bus.credit_heal_s
        since: float | str = "-inf" if self._lossless else self._bus.clock.now_s() - heal_s
        with redis_errors():
            used = await self._bus.redis.zcount(self._keys.inflight(self._source_id), since, "+inf")
        return int(used) < self._spec().watch.credit
