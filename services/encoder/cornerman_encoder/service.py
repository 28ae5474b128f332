"""The encoder process: takes what is waiting, fetches the next batch's pixels while this one computes, writes the
last one's
tokens, and settles each chunk in one hop. Computing happens in a thread of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from cornerman_encoder.core import Clip, Encoded, Encoder, checked
from cornerman_encoder.hops import features_of, hop_for
from cornerman_shared.bus.commit import bury_with_retry, commit_with_retry, retry_forever
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import BlobRef, Chunk, Features, FeatureStatus
from cornerman_shared.bus.streams import GROUP_ENCODER
from cornerman_shared.errors import BlobExpiredError, FatalError, PoisonError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.runtime import Context
from cornerman_shared.settings.tree import EncoderSettings

BATCHES_IN_HAND = 2
FAILURES_IN_A_ROW = 8

log = get_logger("encoder")


@dataclass(frozen=True, slots=True)
class Work:
    """A chunk whose pixels are here."""

    delivery: Delivery[Chunk]
    clip: Clip


Result = Encoded | Exception


async def encode_loop(context: Context) -> None:
    """Loads the encoder, then encodes until the process is told to stop."""
    with context.health.loading():
        encoder = await asyncio.to_thread(make_encoder, context.settings.encoder)
    context.log.info("encoder_ready", model=encoder.model)
    await Worker(context, encoder).run()


def make_encoder(settings: EncoderSettings) -> Encoder:
    """The back end that the settings name.

    Raises:
        ConfigError: its model cannot be loaded.
    """
    if settings.backend == "fake":
        from cornerman_encoder.fake import FakeEncoder

        return FakeEncoder(settings.fake_delay_ms / 1000, settings.fake_crash_rate)
    from cornerman_common.model_location import require_model_extra

    require_model_extra("encoder.backend = mobile_videogpt")
    from cornerman_encoder.mobile_videogpt import VisionEncoder

    return VisionEncoder.load(settings)


class Worker:
    """Three stages in a row, each one batch ahead of the next: fetch, compute, write."""

    def __init__(self, context: Context, encoder: Encoder) -> None:
        self._context = context
        self._bus: Bus = context.bus
        self._encoder = encoder
        self._batch = context.settings.encoder.batch
        self._fetched: asyncio.Queue[list[Work] | None] = asyncio.Queue(1)
        self._computed: asyncio.Queue[list[tuple[Work, Result]] | None] = asyncio.Queue(1)
        self._failures = 0

    async def run(self) -> None:
        """Until the process is told to stop; what computes then is finished, what waits is handed over."""
        bus = self._bus
        consumer = Consumer(
            bus,
            [keys.chunks for keys in bus.all_keys()],
            GROUP_ENCODER,
            Chunk,
            self._context.name,
            slots=BATCHES_IN_HAND * self._batch,
            tombstone=self._tombstone,
            count=self._context.count_entry,
        )
        pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
        try:
            async with consumer, asyncio.TaskGroup() as stages:
                stages.create_task(self._stop(consumer))
                stages.create_task(self._fetch_loop(consumer))
                stages.create_task(self._compute_loop(pool))
                stages.create_task(self._write_loop())
        finally:
            pool.shutdown(wait=False)

    async def _stop(self, consumer: Consumer[Chunk]) -> None:
        await self._context.stopping.wait()
        consumer.stop()

    async def _fetch_loop(self, consumer: Consumer[Chunk]) -> None:
        while batch := await consumer.take(self._batch):
            if self._context.stopping.is_set():
                break  # what is not computing goes to others, as the consumer closes
            self._context.progress(consumer.busy)
            if work := await self._fetch(batch):
                await self._fetched.put(work)
        await self._fetched.put(None)

    async def _fetch(self, batch: Sequence[Delivery[Chunk]]) -> list[Work]:
        """The chunks that can be computed; the others are settled here."""
        found = await asyncio.gather(*(self._pixels(delivery) for delivery in batch))
        return [work for work in found if work is not None]

    async def _pixels(self, delivery: Delivery[Chunk]) -> Work | None:
        chunk = delivery.message
        if chunk.end:
            await commit_with_retry(delivery, self._hop(chunk, self._plain(chunk, "end")))
            return None
        ref = chunk.frames
        try:
            if ref is None:
                raise PoisonError(f"chunk {chunk.seq} of {chunk.source_id} has no frames and is no end marker")
            frames = checked(await retry_forever(lambda: self._bus.get_blob(ref)))
            return Work(delivery, Clip(frames, chunk.frame_pts_s, chunk.motion))
        except BlobExpiredError:
            self._context.metrics.errors_total.labels("blob_expired").inc()
            await commit_with_retry(delivery, self._hop(chunk, self._plain(chunk, "expired")))
        except PoisonError as error:
            await self._bury(delivery, str(error))
        return None

    async def _compute_loop(self, pool: ThreadPoolExecutor) -> None:
        loop, metrics = asyncio.get_running_loop(), self._context.metrics
        while (work := await self._fetched.get()) is not None:
            mine = [item for item in work if not item.delivery.lost.is_set()]
            if not mine:
                continue
            results = await loop.run_in_executor(pool, self._encode, mine)
            metrics.encode_batch_chunks.observe(len(mine))
            self._context.health.progress()
            await self._computed.put(list(zip(mine, results, strict=True)))
        await self._computed.put(None)

    def _encode(self, work: Sequence[Work]) -> list[Result]:
        """In the thread: all together; if that fails one by one, so that the innocent are not blamed."""
        started_s = time.monotonic()
        try:
            return list(self._encoder.encode([item.clip for item in work]))
        except Exception as error:
            log.warning("batch_failed", chunks=len(work), error=f"{type(error).__name__}: {error}")
            return [self._encode_alone(item) for item in work]
        finally:
            self._context.metrics.encode_seconds.observe(time.monotonic() - started_s)

    def _encode_alone(self, item: Work) -> Result:
        failed: Exception = PoisonError("it was never tried")
        for _ in range(max(1, self._context.settings.bus.max_deliveries - item.delivery.deliveries + 1)):
            try:
                return self._encoder.encode([item.clip])[0]
            except PoisonError as error:
                return error
            except Exception as error:
                failed = error
        return failed

    async def _write_loop(self) -> None:
        while (done := await self._computed.get()) is not None:
            await asyncio.gather(*(self._write(work, result) for work, result in done))
            if self._failures >= FAILURES_IN_A_ROW:
                raise FatalError(
                    f"the encoder {self._encoder.model!r} failed on {self._failures} chunks in a row; "
                    "see the dead letters for the reasons. A new process may fare better."
                )

    async def _write(self, work: Work, result: Result) -> None:
        delivery, chunk = work.delivery, work.delivery.message
        if isinstance(result, Exception):
            self._failures += 1
            await self._bury(delivery, f"{type(result).__name__}: {result}")
            return
        self._failures = 0
        features = replace(
            self._plain(chunk, "ok", kept_frames=chunk.keep_frames),
            vector=result.vector,
            context=await self._put(chunk, "context", result.context),
            video=await self._put(chunk, "video", result.video),
        )
        await commit_with_retry(delivery, self._hop(chunk, features))
        self._context.metrics.observe_stage("encoded", chunk.times.published_at_s, features.times.encoded_at_s)

    async def _put(self, chunk: Chunk, what: str, tokens: NDArray[Any] | None) -> BlobRef | None:
        # Two workers that encode one chunk write the same bytes under the same key, so nobody's blob needs to be
        # taken back.
        if tokens is None:
            return None
        key = self._bus.keys(chunk.source_id).blob(chunk.source_id, chunk.run, chunk.seq, what)
        bus = self._context.settings.bus
        ttl_s = bus.lossless_blob_ttl_s if chunk.lossless else bus.blob_ttl_s
        return await retry_forever(lambda: self._bus.put_blob(key, tokens, ttl_s))

    async def _bury(self, delivery: Delivery[Chunk], reason: str) -> None:
        await bury_with_retry(delivery, reason, self._tombstone(delivery.message, reason))

    def _tombstone(self, chunk: Chunk, reason: str) -> Hop:
        """What the decider gets instead of features, so that order does not wait for them."""
        return self._hop(chunk, self._plain(chunk, "end" if chunk.end else "buried"))

    def _hop(self, chunk: Chunk, features: Features) -> Hop:
        return hop_for(self._bus.keys(chunk.source_id), self._context.settings.bus, chunk, features)

    def _plain(self, chunk: Chunk, status: FeatureStatus, *, kept_frames: bool = False) -> Features:
        return features_of(
            chunk,
            status,
            model=self._encoder.model,
            now_s=self._bus.clock.now_s(),
            kept_frames=kept_frames,
        )
