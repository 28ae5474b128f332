"""Answers one request: starts an attempt, fetches its chunks, streams the text, and writes exactly one end.

A question outside the model's abilities ends as declined, with a sentence as its cause and no text. A failure becomes
an error event with its cause; no fixed text replaces the model's reply.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cornerman_generator.core import SilenceFilter, TextPacer, owner_words, tokens_per_s
from cornerman_generator.hops import ReplyOutcome, closed_hop, end_hop, span_attributes
from cornerman_generator.reply_writer import ReplyWriter
from cornerman_shared.aio import cancel_all
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.codec import MAX_SAID
from cornerman_shared.bus.commit import commit_with_retry, retry_forever
from cornerman_shared.errors import BlobExpiredError, FatalError, GenerationError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from numpy.typing import NDArray

    from cornerman_generator.protocol import Generator, TextDelta
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.messages import BlobRef, ChunkRef, EndStatus, Request
    from cornerman_shared.process.metrics import Metrics

TICK_S = 0.1
"""How often a request is checked while no text comes: its deadline, its owner, and whether it was cancelled."""

CLOSE_S = 2.0
"""How long a back end may take to stop after its request has ended; a model stops within one token."""

log = get_logger("request_worker")


class RequestWorker:
    """Answers one request.

    Args:
        decline: gives the sentence that declines a question, empty = it may be answered.
    """

    def __init__(
        self,
        bus: Bus,
        generator: Generator,
        metrics: Metrics,
        delivery: Delivery[Request],
        decline: Callable[[str], str] = lambda question: "",
    ) -> None:
        self._bus = bus
        self._generator = generator
        self._decline = decline
        self._metrics = metrics
        self._delivery = delivery
        self._request = delivery.message
        self._sentence = owner_words(delivery.message)
        self._keys = bus.keys(delivery.message.source_id)
        self._writer = ReplyWriter(bus, delivery.message, generator.model)
        self._pieces: Pieces | None = None
        self._must_look = False
        self.cost = 0.0
        """Price of the reply's tokens; 0 = unknown."""
        self._started_at_s = self._last_token_at_s = 0.0
        self._fetched_s = self._prepare_s = 0.0
        self._arrivals: list[tuple[float, int]] = []  # one a piece: at most `max_new_tokens`

    @property
    def request_id(self) -> str:
        """Of the request in work."""
        return self._request.request_id

    def look(self) -> None:
        """Checks at once whether the request still is open, without waiting for a tick."""
        self._must_look = True
        if self._pieces is not None:
            self._pieces.nudge()

    async def run(self) -> None:
        """Answers the request and settles its entry.

        Raises:
            FatalError: the back end does not stop; the process has to end.
        """
        request, writer = self._request, self._writer
        await retry_forever(self._delivery.begin)
        if 0 < request.deadline_at_s < self._bus.clock.now_s():
            cause = "it waited past its deadline; a generator was busy or not there"
            await self._end(ReplyOutcome("expired", 0, self._generator.model, cause=cause))
            return
        if request.kind == "question" and (sentence := self._decline(request.prompt)):
            await self._end(ReplyOutcome("declined", 0, self._generator.model, cause=sentence))
            return
        started_s = self._bus.clock.monotonic_s()
        self._started_at_s = self._bus.clock.now_s()
        if not await writer.start():
            await self._settle()
            return
        pieces: Pieces | None = None
        try:
            chunks = [] if self._sentence else await self._fetch_chunks()
            self._fetched_s = self._bus.clock.monotonic_s() - started_s
            pieces = self._pieces = Pieces(self._generator.generate(request, chunks))
            outcome = await self._generate(pieces, started_s)
        except GenerationError as error:
            outcome = self._failed(str(error))
        except asyncio.CancelledError:
            if pieces is not None:
                await pieces.close(CLOSE_S)
            raise
        except Exception as error:
            # A defect of a back end fails its request, not the process with the other requests in it.
            log.exception("generation_crashed", request_id=request.request_id)
            outcome = self._failed(f"{type(error).__name__}: {error}")
        # The end is written before the back end is closed: a thread that hangs must not keep the request open.
        if outcome is not None:
            await self._end(outcome)
            self._metrics.generate_seconds.observe(self._bus.clock.monotonic_s() - started_s)
            self._metrics.observe_stage("first_token", request.times.decided_at_s, outcome.first_token_at_s)
            self._metrics.observe_stage("done", outcome.first_token_at_s, self._bus.clock.now_s())
        # Cancelled while it reads the prompt, a model stops at its first token.
        limit_s = CLOSE_S if outcome else max(CLOSE_S, self._bus.settings.generator.stall_s)
        if pieces is not None and not await pieces.close(limit_s):
            raise FatalError(
                f"the back end {self._generator.model!r} did not stop within {limit_s:g} s after request "
                f"{request.request_id} had ended; the process ends, because its thread cannot be ended"
            )
        # A request that ended elsewhere keeps its slot until then: the next one goes to an idle generator.
        if outcome is None:
            await self._settle()

    async def _generate(self, pieces: Pieces, started_s: float) -> ReplyOutcome | None:
        """Streams the generator's text; None = the request has ended elsewhere, or another worker has it now."""
        request, writer, clock = self._request, self._writer, self._bus.clock
        silence = SilenceFilter(request.previous_text) if request.kind == "feedback" else None
        pacer = TextPacer()
        n_input = n_output = n_counted = 0
        guessed = False
        ttft_ms = 0.0
        token_at_s = checked_at_s = started_s
        limits = self._bus.settings.generator
        async for delta in pieces.with_ticks(lambda: pacer.wait_s(clock.monotonic_s())):
            now_s = clock.monotonic_s()
            if now_s - started_s > limits.timeout_s:
                raise GenerationError(f"not finished within generator.timeout_s = {limits.timeout_s:g} s")
            if self._delivery.lost.is_set():
                return None  # another worker took the entry over after our heartbeat failed
            if delta is not None:  # None = a tick
                token_at_s = now_s
                n_output += delta.n_tokens
                self._prepare_s = max(self._prepare_s, delta.prepare_s)
                if delta.n_tokens:
                    self._arrivals.append((now_s, delta.n_tokens))
                    self._last_token_at_s = clock.now_s()
                n_input = delta.n_input_tokens or n_input
                n_counted, guessed = delta.n_reply_tokens or n_counted, delta.guessed or guessed
                if delta.handled:
                    self._metrics.errors_total.labels(delta.handled).inc()
                if delta.voids:
                    self._arrivals.clear()
                    silence = SilenceFilter(request.previous_text) if silence else None
                    ttft_ms = 0.0
                    pacer.clear()
                    if not await writer.start_again():
                        return None
                pacer.push(silence.push(delta.text) if silence else delta.text)
            elif now_s - token_at_s > limits.stall_s:
                raise GenerationError(f"no token for generator.stall_s = {limits.stall_s:g} s; the back end hangs")
            if self._must_look or now_s - checked_at_s >= TICK_S:
                checked_at_s, self._must_look = now_s, False
                # Before the first text, and while it is held back, no append tells that the request was cancelled.
                if not await writer.is_open():
                    return None
            if pacer.wait_s(now_s) == 0.0:
                # TTFT is the time until text leaves, not until the model has a token that is held back.
                ttft_ms = ttft_ms or (now_s - started_s) * 1000
                if not await writer.append(pacer.take(now_s)):
                    return None
        rest, silent = silence.end() if silence else ("", False)
        pacer.push(rest)
        now_s = clock.monotonic_s()
        if last := pacer.take(now_s):
            ttft_ms = ttft_ms or (now_s - started_s) * 1000
            if not await writer.append(last):
                return None
        if ttft_ms:
            self._metrics.first_token_seconds.observe(ttft_ms / 1000)
        n_output = n_counted or n_output
        self.cost = limits.cost(n_input, n_output)
        self._metrics.input_tokens_total.inc(n_input)
        self._metrics.output_tokens_total.inc(n_output)
        self._metrics.cost_total.inc(self.cost)
        return replace(
            self._outcome("done"),
            silent=silent,
            n_input_tokens=n_input,
            n_output_tokens=n_output,
            ttft_ms=ttft_ms,
            cost=self.cost,
            tokens_guessed=guessed,
            tokens_per_s=tokens_per_s(self._arrivals, n_counted),
        )

    async def _fetch_chunks(self) -> list[ChunkInput]:
        """The request's chunks with the arrays that the generator wants.

        Raises:
            GenerationError: there are no chunks, or their arrays have expired.
        """
        wants, request = self._generator.wants, self._request
        if wants == "nothing":
            return [ChunkInput(ref) for ref in request.chunks]
        if not request.chunks:
            raise GenerationError(f"nothing of source {request.source_id!r} has been seen yet, so there is no answer")
        return list(await asyncio.gather(*(self._fetch_chunk(ref) for ref in request.chunks)))

    async def _fetch_chunk(self, ref: ChunkRef) -> ChunkInput:
        try:
            if self._generator.wants == "frames":
                return ChunkInput(ref, frames=await self._fetch_blob(ref.frames))
            context, video = await asyncio.gather(self._fetch_blob(ref.context), self._fetch_blob(ref.video))
            return ChunkInput(ref, context=context, video=video)
        except BlobExpiredError as error:
            raise GenerationError(f"chunk {ref.seq} is gone: {error}") from error

    async def _fetch_blob(self, ref: BlobRef | None) -> NDArray[Any] | None:
        return None if ref is None else await retry_forever(lambda: self._bus.get_blob(ref))

    def _failed(self, cause: str) -> ReplyOutcome:
        cause = clean_text(redact_url(cause), MAX_SAID)
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
            started_at_s=self._started_at_s,
            last_token_at_s=self._last_token_at_s,
            prepare_ms=(self._fetched_s + self._prepare_s) * 1000,
            tokens_per_s=tokens_per_s(self._arrivals),
            said_by="owner" if self._sentence else "model",
        )

    async def _end(self, outcome: ReplyOutcome) -> None:
        now_s = self._bus.clock.now_s()
        hop = end_hop(self._keys, self._bus.settings.bus, self._request, outcome, now_s)
        self._delivery.note(span_attributes(outcome), outcome.cause if outcome.status != "done" else "")
        if (await commit_with_retry(self._delivery, hop)).is_ours:
            self._metrics.requests_total.labels(outcome.status).inc()

    async def _settle(self) -> None:
        """Settles the entry of a request that has ended elsewhere."""
        await commit_with_retry(self._delivery, closed_hop(self._keys, self._request, self._writer.attempt))


class Pieces:
    """The deltas of one request. Close them in every case.

    Args:
        deltas: of the back end.
    """

    def __init__(self, deltas: AsyncIterator[TextDelta]) -> None:
        self._deltas = deltas
        self._following: asyncio.Future[TextDelta | None] | None = None
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Ends the present wait for a delta."""
        self._nudged.set()

    async def with_ticks(self, wait_s: Callable[[], float | None]) -> AsyncIterator[TextDelta | None]:
        """Yields the deltas, and None after a nudge, or `wait_s()` seconds (at most a tick) without one."""
        nudged: asyncio.Future[Any] = asyncio.ensure_future(self._nudged.wait())
        try:
            while True:
                self._following = asyncio.ensure_future(anext(self._deltas, None))
                while not self._following.done():
                    wait = wait_s()
                    # Not `timeout`: that would cancel the pending `anext`, and with it the back end.
                    limit_s = TICK_S if wait is None else min(wait, TICK_S)
                    waits = {self._following, nudged}
                    await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
                    if nudged.done():
                        self._nudged.clear()
                        nudged = asyncio.ensure_future(self._nudged.wait())
                    if not self._following.done():
                        yield None
                delta = self._following.result()
                if delta is None:
                    return
                yield delta
        finally:
            nudged.cancel()

    async def close(self, within_s: float) -> bool:
        """Stops the back end. False = it still runs after `within_s` seconds."""
        closing = asyncio.ensure_future(self._close())
        done, _ = await asyncio.wait({closing}, timeout=within_s)
        return bool(done)

    async def _close(self) -> None:
        if self._following is not None:
            await cancel_all(self._following)
        close = getattr(self._deltas, "aclose", None)  # the protocol asks for an iterator; generators can be closed
        if close is not None:
            await close()
