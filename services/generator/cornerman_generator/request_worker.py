"""The life of one request at a generator: taken, its chunks fetched, its words said, its end written. Exactly one
end, whatever
fails; a failure is told with its cause, and no other words ever stand in for the model's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from cornerman_generator.core import ChunkInput, Generator, SilenceFilter, TextDelta, TextPacer
from cornerman_generator.hops import ReplyOutcome, closed_hop, end_hop
from cornerman_generator.reply_writer import ReplyWriter
from cornerman_shared.bus.commit import commit_with_retry, retry_forever
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.messages import BlobRef, ChunkRef, EndStatus, Request
from cornerman_shared.errors import BlobExpiredError, GenerationError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.process.metrics import Metrics

TICK_S = 0.25
"""How often a request that gives no text is looked at: is its time over, has another worker taken it?"""

log = get_logger("answer")


class RequestWorker:
    """Answers one request."""

    def __init__(self, bus: Bus, generator: Generator, metrics: Metrics, delivery: Delivery[Request]) -> None:
        self._bus = bus
        self._generator = generator
        self._metrics = metrics
        self._delivery = delivery
        self._request = delivery.message
        self._keys = bus.keys(delivery.message.source_id)
        self._writer = ReplyWriter(bus, delivery.message, generator.model)

    async def run(self) -> None:
        """From taking the request to its end."""
        request, writer = self._request, self._writer
        if 0 < request.deadline_at_s < self._bus.clock.now_s():
            cause = "it waited past its deadline; a generator was busy or not there"
            await self._end(ReplyOutcome("expired", 0, self._generator.model, cause=cause))
            return
        started_s = self._bus.clock.monotonic_s()
        if not await writer.start():
            await self._leave()
            return
        try:
            chunks = await self._fetch()
            outcome = await self._speak(chunks, started_s)
        except GenerationError as error:
            outcome = self._failed(str(error))
        except Exception as error:
            log.exception("generation_crashed", request_id=request.request_id)
            outcome = self._failed(f"{type(error).__name__}: {error}")
        if outcome is None:
            await self._leave()
        else:
            await self._end(outcome)
            self._metrics.generate_seconds.observe(self._bus.clock.monotonic_s() - started_s)
            self._metrics.observe_stage("first_token", request.times.decided_at_s, outcome.first_token_at_s)
            self._metrics.observe_stage("done", outcome.first_token_at_s, self._bus.clock.now_s())

    async def _speak(self, chunks: Sequence[ChunkInput], started_s: float) -> ReplyOutcome | None:
        """Says what the generator gives; None = somebody else has ended the request, or works on it now."""
        request, writer, clock = self._request, self._writer, self._bus.clock
        hush = SilenceFilter(request.previous_text) if request.kind == "feedback" else None
        pacer = TextPacer()
        n_input = n_output = 0
        ttft_ms = 0.0
        pieces = _with_ticks(self._generator.generate(request, chunks), lambda: pacer.wait_s(clock.monotonic_s()))
        async with contextlib.aclosing(pieces):
            async for delta in pieces:
                now_s = clock.monotonic_s()
                if now_s - started_s > self._bus.settings.generator.timeout_s:
                    limit_s = self._bus.settings.generator.timeout_s
                    raise GenerationError(f"not finished within generator.timeout_s = {limit_s:g} s")
                if self._delivery.lost.is_set():
                    return None
                if delta is not None:
                    n_output += delta.n_tokens
                    n_input = delta.n_input_tokens or n_input
                    pacer.push(hush.push(delta.text) if hush else delta.text)
                if pacer.wait_s(now_s) == 0.0:
                    ttft_ms = ttft_ms or (now_s - started_s) * 1000
                    if not await writer.append(pacer.take(now_s)):
                        return None
        rest, silent = hush.end() if hush else ("", False)
        pacer.push(rest)
        now_s = clock.monotonic_s()
        if last := pacer.take(now_s):
            ttft_ms = ttft_ms or (now_s - started_s) * 1000
            if not await writer.append(last):
                return None
        if ttft_ms:
            self._metrics.first_token_seconds.observe(ttft_ms / 1000)
        self._metrics.output_tokens_total.inc(n_output)
        done = self._outcome("done")
        return replace(done, silent=silent, n_input_tokens=n_input, n_output_tokens=n_output, ttft_ms=ttft_ms)

    async def _fetch(self) -> list[ChunkInput]:
        """What the generator wants of each chunk."""
        wants, request = self._generator.wants, self._request
        if wants == "nothing":
            return [ChunkInput(ref) for ref in request.chunks]
        if not request.chunks:
            raise GenerationError(f"nothing of source {request.source_id!r} has been seen yet, so there is no answer")
        return list(await asyncio.gather(*(self._see(ref) for ref in request.chunks)))

    async def _see(self, ref: ChunkRef) -> ChunkInput:
        try:
            if self._generator.wants == "frames":
                return ChunkInput(ref, frames=await self._blob(ref.frames))
            context, video = await asyncio.gather(self._blob(ref.context), self._blob(ref.video))
            return ChunkInput(ref, context=context, video=video)
        except BlobExpiredError as error:
            raise GenerationError(f"chunk {ref.seq} is gone: {error}") from error

    async def _blob(self, ref: BlobRef | None) -> NDArray[Any] | None:
        return None if ref is None else await retry_forever(lambda: self._bus.get_blob(ref))

    def _failed(self, cause: str) -> ReplyOutcome:
        self._metrics.errors_total.labels("generation").inc()
        log.warning("generation_failed", request_id=self._request.request_id, cause=cause)
        return replace(self._outcome("failed"), cause=cause)

    def _outcome(self, status: EndStatus) -> ReplyOutcome:
        writer = self._writer
        return ReplyOutcome(
            status,
            writer.attempt,
            self._generator.model,
            text=writer.text,
            first_token_at_s=writer.first_token_at_s,
        )

    async def _end(self, outcome: ReplyOutcome) -> None:
        self._metrics.requests_total.labels(outcome.status).inc()
        now_s = self._bus.clock.now_s()
        await commit_with_retry(
            self._delivery, end_hop(self._keys, self._bus.settings.bus, self._request, outcome, now_s)
        )

    async def _leave(self) -> None:
        await commit_with_retry(self._delivery, closed_hop(self._keys, self._request, self._writer.attempt))


async def _with_ticks(
    deltas: AsyncIterator[TextDelta], wait_s: Callable[[], float | None]
) -> AsyncGenerator[TextDelta | None, None]:
    """The deltas, and None whenever `wait_s()` (or a tick) has passed without one."""
    following = asyncio.ensure_future(anext(deltas, _END))
    try:
        while True:
            wait = wait_s()
            done, _ = await asyncio.wait({following}, timeout=TICK_S if wait is None else min(wait, TICK_S))
            if not done:
                yield None
                continue
            item = following.result()
            if isinstance(item, _EndType):
                return
            following = asyncio.ensure_future(anext(deltas, _END))
            yield item
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        close = getattr(deltas, "aclose", None)
        if close is not None:
            await close()


class _EndType:
    """Behind the last delta."""


_END = _EndType()
