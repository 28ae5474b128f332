"""The encoder process: three stages that work on consecutive batches at the same time.

While one batch is computed in its own thread, the pixels of the next one are fetched and the results of the last one
are written: its tokens as blobs, then each chunk in one hop. Where the encoder computes several at once, each has its
thread, and batches are single chunks: none waits for its neighbours.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cornerman_encoder.core import MAX_FAILURES, EncoderOutput, checked, is_broken, n_frames, unread
from cornerman_encoder.hops import features_of, hop_for
from cornerman_shared.aio import places
from cornerman_shared.bus.commit import bury_with_retry, commit_with_retry, give_up, retry_forever
from cornerman_shared.bus.consumer import Consumer
from cornerman_shared.bus.messages import Chunk
from cornerman_shared.bus.streams import GROUP_ENCODER
from cornerman_shared.chunk import CHUNK_FRAMES
from cornerman_shared.errors import (
    OUT_OF_MEMORY,
    BlobExpiredError,
    FatalError,
    PoisonError,
    is_contained,
    is_out_of_memory,
    release_memory,
)
from cornerman_shared.process.logs import about, get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerman_encoder.core import Pixels
    from cornerman_encoder.protocol import Encoder
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.hop import Hop
    from cornerman_shared.bus.messages import BlobRef, Features, FeatureStatus
    from cornerman_shared.process.runtime import Context
    from cornerman_shared.settings.tree import EncoderSettings

    Item = tuple[Delivery[Chunk], Pixels]

ALONE_FROM = 2
"""A chunk that is delivered for the second time may have killed its worker; nothing is computed beside it."""

log = get_logger("encoder")

Result = EncoderOutput | Exception
Computed = tuple["Delivery[Chunk]", Result, float]
"""A chunk, its result, and when its batch began to compute, unix seconds."""


async def encode_loop(context: Context) -> None:
    """Loads the encoder and encodes until the process is stopped."""
    settings = context.settings.encoder
    # Before it is loaded: a command that starts meanwhile chooses what goes with it.
    context.health.report_models(backend=settings.backend, model=settings.model)
    with context.health.loading():
        encoder = await asyncio.to_thread(make_encoder, settings)
    context.health.report_models(placement=str(getattr(encoder, "placement", "")))
    context.log.info("encoder_ready", model=encoder.model)
    await EncoderWorker(context, encoder).run()


def make_encoder(settings: EncoderSettings) -> Encoder:
    """Makes the back end that the settings name.

    Raises:
        ConfigError: its model cannot be loaded.
    """
    if settings.backend == "fake":
        from cornerman_encoder.fake import FakeEncoder

        return FakeEncoder(settings.fake_delay_ms / 1000, settings.fake_crash_rate, hang_at=settings.fake_hang_at)
    if settings.backend == "pose":
        from cornerman_encoder.pose import PoseEncoder

        return PoseEncoder.load(settings)
    from cornerman_common.model_location import require_model_extra

    require_model_extra("encoder.backend = mobile_videogpt")
    from cornerman_encoder.mobile_videogpt import VisionEncoder

    return VisionEncoder.load(settings)


class EncoderWorker:
    """Fetches, computes and writes batches of chunks, each stage one batch ahead of the next."""

    def __init__(self, context: Context, encoder: Encoder) -> None:
        self._context = context
        self._bus: Bus = context.bus
        self._encoder = encoder
        self._at_once = int(getattr(encoder, "at_once", 1))
        self._batch = context.settings.encoder.batch if self._at_once == 1 else 1
        self._take_place = places(self._at_once)
        self._computing = self._at_once  # loops that still run
        # Depth 1: each stage is at most one batch ahead.
        self._fetched: asyncio.Queue[list[Item] | None] = asyncio.Queue(1)
        self._computed: asyncio.Queue[list[Computed] | None] = asyncio.Queue(1)
        self._failed: list[str] = []  # sources of the chunks that failed since the last success
        self._worked_at_s: dict[str, float] = {}  # the two sources encoded last; one may be the failing one
        self._is_first = True

    async def run(self) -> None:
        """Works until the process is stopped; finishes the computing batch and releases the others."""
        bus = self._bus
        consumer = Consumer(
            bus,
            [keys.chunks for keys in bus.all_keys()],
            GROUP_ENCODER,
            Chunk,
            self._context.name,
            slots=(self._at_once + 1) * self._batch,
            alone_from=ALONE_FROM,
            count_begun=True,
            tombstone=self._tombstone,
            count=self._context.count_entry,
        )
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="encode")
        try:
            async with consumer, asyncio.TaskGroup() as stages:
                stages.create_task(self._stop(consumer))
                stages.create_task(self._fetch_loop(consumer))
                for _ in range(self._at_once):
                    stages.create_task(self._compute_loop(pool))
                stages.create_task(self._write_loop())
        finally:
            # A computing batch would delay the exit; its entries stay pending.
            pool.shutdown(wait=False)

    async def _stop(self, consumer: Consumer[Chunk]) -> None:
        await self._context.stopping.wait()
        consumer.stop()

    async def _fetch_loop(self, consumer: Consumer[Chunk]) -> None:
        while batch := await consumer.take(self._batch):
            if self._context.stopping.is_set():
                break  # the consumer releases this batch when it is closed
            self._context.progress(consumer.busy)
            if items := await self._fetch(batch):
                await self._fetched.put(items)
        await self._fetched.put(None)

    async def _fetch(self, batch: Sequence[Delivery[Chunk]]) -> list[Item]:
        """Fetches pixels; settles the chunks that have none."""
        found = await asyncio.gather(*(self._pixels(delivery) for delivery in batch))
        return [item for item in found if item is not None]

    async def _pixels(self, delivery: Delivery[Chunk]) -> Item | None:
        with about(delivery.message):
            return await self._fetched_pixels(delivery)

    async def _fetched_pixels(self, delivery: Delivery[Chunk]) -> Item | None:
        chunk, ref = delivery.message, delivery.message.frames
        try:
            if chunk.end:
                await commit_with_retry(delivery, self._hop(chunk, self._without_arrays(chunk, "end")))
                return None
            if ref is None:
                raise PoisonError(f"chunk {chunk.seq} of {chunk.source_id} has neither frames nor the end flag")
            count = n_frames(chunk)
            if count == CHUNK_FRAMES or self._encoder.reads(count):
                return delivery, checked(await retry_forever(lambda: self._bus.get_blob(ref)), count, chunk.look)
            if not chunk.keep_frames:
                raise PoisonError(unread(self._encoder.model, chunk))
            # The generator looks at the frames itself, and no strategy that reads features takes such a look.
            features = self._without_arrays(chunk, "ok", kept_frames=True)
            await commit_with_retry(delivery, self._hop(chunk, features))
        except BlobExpiredError:
            self._context.metrics.errors_total.labels("blob_expired").inc()
            await commit_with_retry(delivery, self._hop(chunk, self._without_arrays(chunk, "expired")))
        except PoisonError as error:
            await self._bury(delivery, str(error))
        except Exception as error:
            await self._contain(delivery, error)
        return None

    async def _contain(self, delivery: Delivery[Chunk], error: Exception) -> None:
        """Buries a chunk whose own data cause an unexpected error, so that it costs no other chunk."""
        if not is_contained(error):
            raise error
        log.exception("chunk_failed", source_id=delivery.message.source_id, seq=delivery.message.seq)
        reason = f"{type(error).__name__}: {error}"
        await give_up(delivery, reason, self._tombstone(delivery.message, reason))

    async def _compute_loop(self, pool: ThreadPoolExecutor) -> None:
        while (items := await self._fetched.get()) is not None:
            async with self._take_place(items[0][0].deliveries >= ALONE_FROM):
                computed = await self._compute(pool, items)
            if computed:
                await self._computed.put(computed)
        await self._fetched.put(None)  # for the next loop
        self._computing -= 1
        if not self._computing:
            await self._computed.put(None)

    async def _compute(self, pool: ThreadPoolExecutor, items: list[Item]) -> list[Computed]:
        loop, metrics = asyncio.get_running_loop(), self._context.metrics
        # Entries lost while they waited belong to another worker; encoding them would be wasted.
        ours = [item for item in items if not item[0].lost.is_set()]
        if not ours:
            return []
        for delivery, _ in ours:
            await retry_forever(delivery.begin)
        begun_at_s = self._bus.clock.now_s()
        with self._bus.trace_batch("encode", [delivery.message for delivery, _ in ours]):
            results = await self._within_limit(loop.run_in_executor(pool, self._encode, ours), len(ours))
        metrics.encode_batch_chunks.observe(len(ours))
        self._context.health.progress()
        return [(delivery, result, begun_at_s) for (delivery, _), result in zip(ours, results, strict=True)]

    async def _within_limit(self, computing: asyncio.Future[list[Result]], chunks: int) -> list[Result]:
        """Awaits a batch; a thread that computes past the limit cannot be ended, so the process has to."""
        settings = self._context.settings.encoder
        name, limit_s = ("first_batch_s", settings.first_batch_s) if self._is_first else ("batch_s", settings.batch_s)
        try:
            async with asyncio.timeout(limit_s):
                results = await computing
        except TimeoutError:
            raise FatalError(
                f"a batch of {chunks} chunks computes for longer than encoder.{name} = {limit_s:g} s; the process ends "
                "so that other encoders take its chunks. Raise the limit if the device is only slow."
            ) from None
        self._is_first = False
        return results

    def _encode(self, items: Sequence[Item], may_halve: bool = True) -> list[Result]:
        """Encodes a batch, in the thread. If it fails, encodes one by one so that only the failing chunk is buried.

        For want of memory it is halved first, where `may_halve`.
        """
        started_s = time.monotonic()
        try:
            chunks = [delivery.message for delivery, _ in items]
            results = self._encoder.encode(chunks, [frames for _, frames in items])
            if len(results) != len(items):
                raise ValueError(f"the encoder gave {len(results)} results for {len(items)} chunks")
            return list(results)
        except Exception as error:
            log.warning("batch_failed", chunks=len(items), error=f"{type(error).__name__}: {error}")
            lacks_memory = is_out_of_memory(error)
        finally:
            self._context.metrics.encode_seconds.observe(time.monotonic() - started_s)
        if lacks_memory and len(items) > 1 and may_halve:
            return self._encode_halves(items)
        return [self._encode_alone(*item) for item in items]

    def _encode_halves(self, items: Sequence[Item]) -> list[Result]:
        """Encodes a batch that did not fit as two, once, and takes smaller ones from then on."""
        release_memory()
        self._context.metrics.errors_total.labels(OUT_OF_MEMORY).inc()
        self._batch = min(self._batch, (len(items) + 1) // 2)
        self._context.health.report(batch=self._batch)
        middle = (len(items) + 1) // 2
        return [*self._encode(items[:middle], False), *self._encode(items[middle:], False)]

    def _encode_alone(self, delivery: Delivery[Chunk], frames: Pixels) -> Result:
        failed: Exception = PoisonError("it was never tried")
        # Attempts here and deliveries by the bus share one limit.
        for _ in range(max(1, self._context.settings.bus.max_deliveries - delivery.deliveries + 1)):
            try:
                return self._encoder.encode([delivery.message], [frames])[0]
            except PoisonError as error:
                return error
            except Exception as error:
                failed = error
        return failed

    async def _write_loop(self) -> None:
        while (done := await self._computed.get()) is not None:
            await asyncio.gather(*(self._write(*each) for each in done))
            if is_broken(self._failed, self._worked_at_s, self._bus.clock.monotonic_s()):
                raise FatalError(
                    f"the encoder {self._encoder.model!r} failed on {len(self._failed)} chunks in a row; "
                    "see the dead letters for the reasons. A new process may recover."
                )

    async def _write(self, delivery: Delivery[Chunk], result: Result, begun_at_s: float) -> None:
        with about(delivery.message):
            await self._write_result(delivery, result, begun_at_s)

    async def _write_result(self, delivery: Delivery[Chunk], result: Result, begun_at_s: float) -> None:
        source_id = delivery.message.source_id
        if isinstance(result, Exception):
            if not isinstance(result, PoisonError):  # which says that the chunk is at fault
                self._failed = [*self._failed, source_id][-MAX_FAILURES:]
            await self._bury(delivery, f"{type(result).__name__}: {result}")
            return
        self._failed.clear()
        others = [(name, at_s) for name, at_s in self._worked_at_s.items() if name != source_id]
        self._worked_at_s = dict([*others[-1:], (source_id, self._bus.clock.monotonic_s())])
        try:
            await self._write_features(delivery, result, begun_at_s)
        except Exception as error:
            await self._contain(delivery, error)

    async def _write_features(self, delivery: Delivery[Chunk], result: EncoderOutput, begun_at_s: float) -> None:
        chunk = delivery.message
        features = replace(
            self._without_arrays(
                chunk, "ok", kept_frames=chunk.keep_frames, begun_at_s=begun_at_s, prepare_s=result.prepare_s
            ),
            vector=result.vector,
            people=result.people,
            context=await self._put(chunk, "context", result.context),
            video=await self._put(chunk, "video", result.video),
        )
        await commit_with_retry(delivery, self._hop(chunk, features))
        self._context.metrics.poses_total.labels("computed").inc(result.poses_computed)
        self._context.metrics.poses_total.labels("reused").inc(result.poses_reused)
        self._context.metrics.observe_stage("encoded", chunk.times.published_at_s, features.times.encoded_at_s)

    async def _put(self, chunk: Chunk, array: str, tokens: NDArray[Any] | None) -> BlobRef | None:
        # Two workers that encode one chunk write equal bytes under one key, so neither blob has to be removed.
        if tokens is None:
            return None
        key = self._bus.keys(chunk.source_id).blob(chunk.source_id, chunk.run, chunk.seq, array)
        bus = self._context.settings.bus
        ttl_s = bus.lossless_blob_ttl_s if chunk.lossless else bus.blob_ttl_s
        return await retry_forever(lambda: self._bus.put_blob(key, tokens, ttl_s))

    async def _bury(self, delivery: Delivery[Chunk], reason: str) -> None:
        await bury_with_retry(delivery, reason, self._tombstone(delivery.message, reason))

    def _tombstone(self, chunk: Chunk, reason: str) -> Hop:
        """Hop of a buried chunk: features without arrays, so that the decider does not wait for it."""
        return self._hop(chunk, self._without_arrays(chunk, "end" if chunk.end else "buried"))

    def _hop(self, chunk: Chunk, features: Features) -> Hop:
        return hop_for(self._bus.keys(chunk.source_id), self._context.settings.bus, chunk, features)

    def _without_arrays(self, chunk: Chunk, status: FeatureStatus, **more: Any) -> Features:
        return features_of(chunk, status, model=self._encoder.model, now_s=self._bus.clock.now_s(), **more)
