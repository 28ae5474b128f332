"""Watches one source in this process: chunk in, decision and words out, by the cores of the services.

What the bus does between services is left out: entries, leases, credit. Arrays stay in memory while a request or the
context refers to them. Not thread-safe: one task uses it.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from cornerman.feedback import Feedback
from cornerman.local.event_lines import latency_ms
from cornerman_common.question_scope import decline
from cornerman_decider.core import Decider
from cornerman_decider.requests import decision_event, request_for, request_for_question
from cornerman_decider.state import DeciderState, blobs_of, chunk_ref, new_run, question_context
from cornerman_encoder.core import EncoderOutput, checked, n_frames, unread
from cornerman_encoder.hops import features_of
from cornerman_generator.core import SilenceFilter, owner_words
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.last_feedback import LastFeedback
from cornerman_shared.bus.messages import BlobRef, Chunk, Question, Times
from cornerman_shared.chunk import CHUNK_FRAMES
from cornerman_shared.errors import GenerationError, PoisonError

if TYPE_CHECKING:
    from cornerman.engine.models import EngineModels
    from cornerman_capture.core import PendingChunk
    from cornerman_decider.strategy import Strategy
    from cornerman_shared.bus.messages import ChunkRef, DecisionEvent, Features, Request
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.source import SourceSpec


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a question.

    Attributes:
        status: `declined` if the model cannot answer such questions.
        text: the answer; or the sentence that declines, and says which questions are answered.
        pts_s: the moment it is about, seconds of media time.
    """

    status: Literal["done", "declined"]
    text: str
    pts_s: float


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """Features of a chunk, and the arrays that they refer to, by key."""

    features: Features
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Words:
    text: str
    silent: bool
    n_tokens: int
    ttft_s: float
    first_at_s: float


class ChunkWatcher:
    """Decides and speaks about the chunks of one source, in order.

    Args:
        spec: the source's settings.
        models: the loaded models.
        clock: wall and monotonic time.
        run: id of the run, of which the ids of requests are made.
    """

    def __init__(self, spec: SourceSpec, models: EngineModels, clock: Clock, run: str = "r0") -> None:
        self._spec, self._models, self._clock, self._run = spec, models, clock, run
        self._strategy: Strategy | None = None
        self._seq = 0  # of the next chunk; live, a dropped chunk has none
        self.reset()

    def reset(self) -> None:
        """Forgets what was seen and said; the numbers of chunks go on, for some may be encoded already."""
        self._state = new_run(self._run, DeciderState())
        self._arrays: dict[str, NDArray[Any]] = {}
        self._last: LastFeedback | None = None

    def encode(self, pending: PendingChunk, *, lossless: bool) -> EncodedChunk:
        """Encodes the next chunk; may run in another thread than the other methods, for one chunk at a time.

        Raises:
            PoisonError: its pixels cannot be encoded.
        """
        now_s, run, spec = self._clock.now_s(), self._run, self._spec
        pixels, count = pending.stacked(), len(pending.frames)
        chunk = Chunk(
            source_id=spec.source_id,
            run=run,
            seq=self._seq,
            pts_s=pending.pts_s,
            frame_pts_s=pending.frame_pts_s,
            motion=pending.motion(),
            lossless=lossless,
            end=False,
            frames=None,
            keep_frames=self._models.generator.wants == "frames",
            times=Times(captured_at_s=pending.available_at_s or now_s, published_at_s=now_s),
            look=pending.look,
            thumbnail=pending.thumbnail().tobytes() if spec.speak.strategy == "scene" else b"",
        )
        pixels = checked(pixels, n_frames(chunk), chunk.look)
        encoder = self._models.encoder
        if count != CHUNK_FRAMES and not encoder.reads(count):
            if not chunk.keep_frames:
                raise PoisonError(unread(encoder.model, chunk))
            output = EncoderOutput(None, None, None)
        else:
            output = encoder.encode([chunk], [pixels])[0]
        self._seq += 1
        features = features_of(chunk, "ok", model=encoder.model, now_s=self._clock.now_s())
        made = {"context": output.context, "video": output.video, "frames": pixels if chunk.keep_frames else None}
        arrays: dict[str, NDArray[Any]] = {}
        refs: dict[str, BlobRef] = {}
        for name, array in made.items():
            if array is not None:
                refs[name] = BlobRef(f"{run}:{chunk.seq}:{name}", array.dtype.str, array.shape)
                arrays[refs[name].key] = array
        features = replace(
            features,
            vector=output.vector,
            people=output.people,
            context=refs.get("context"),
            video=refs.get("video"),
            frames=refs.get("frames"),
        )
        return EncodedChunk(features, arrays)

    async def decide(self, chunk: EncodedChunk) -> tuple[DecisionEvent, Request | None]:
        """Decides about the next chunk; the request is what to say something about.

        Raises:
            StrategyError: the strategy cannot judge, for example because its model is missing.
        """
        features, spec = chunk.features, self._spec
        self._arrays |= chunk.arrays
        strategy = await self._strategy_of(spec)
        tokens = self._tokens(features, strategy.wants_images) if strategy.wants_tokens else None
        judge = partial(Decider(spec.speak, strategy).decide, features, self._state, prompt=spec.say.prompt)
        # Strategies on tokens run a language model.
        decision = await asyncio.to_thread(judge, chunk=tokens) if strategy.wants_tokens else judge()
        self._state = decision.state
        now_s = self._clock.now_s()
        said = (decision.action, decision.confidence, decision.reason, spec.speak.strategy, now_s, decision.about)
        event = decision_event(features, *said)
        request = request_for(features, decision, spec, self._last, now_s) if decision.speak else None
        if request is None:
            self._forget()
        return event, request

    async def say(self, request: Request) -> Feedback | None:
        """The words for a request of `decide`; None if there is nothing new to say.

        Raises:
            GenerationError: the model failed; says why.
        """
        try:
            words = await self._generate(request)
        finally:
            self._forget()
        if words.silent:
            return None
        self._last = LastFeedback(request.run, request.action, request.pts_s, words.text)
        times = request.times.reached("first_token", words.first_at_s).reached("done", self._clock.now_s())
        return Feedback(
            event_id="",
            source_id=request.source_id,
            request_id=request.request_id,
            action=request.action,
            pts_s=request.pts_s,
            text=words.text,
            model=self._models.generator.model,
            ttft_ms=round(words.ttft_s * 1000, 1),
            latency_ms=latency_ms(times),
            picture_age_s=request.picture_age_s,
            said_by="owner" if owner_words(request) else "model",
        )

    async def answer(self, text: str) -> Answer:
        """Answers a question about the newest pictures, or declines it.

        Raises:
            GenerationError: nothing has been seen yet, or the model failed.
        """
        chunks = question_context(self._state)
        newest_s = chunks[-1].pts_s if chunks else 0.0
        if sentence := decline(text, self._models.abilities):
            return Answer("declined", sentence, newest_s)
        if not chunks and self._models.generator.wants != "nothing":
            raise GenerationError("nothing has been seen yet, so there is no answer; feed some frames first")
        now_s = self._clock.now_s()
        question = Question(uuid.uuid4().hex, self._spec.source_id, text, now_s)
        request = request_for_question(question, self._state, chunks, self._spec.say, now_s)
        return Answer("done", (await self._generate(request)).text, request.pts_s)

    async def _strategy_of(self, spec: SourceSpec) -> Strategy:
        if self._strategy is None:
            self._strategy = await asyncio.to_thread(self._models.strategies.make, spec.speak, spec.say.prompt)
        return self._strategy

    async def _generate(self, request: Request) -> _Words:
        """The whole reply, as the generator service makes it."""
        silence = SilenceFilter(request.previous_text) if request.kind == "feedback" else None
        chunks = [self._input(ref) for ref in request.chunks]
        text, n_tokens, ttft_s, first_at_s = "", 0, 0.0, 0.0
        started_s = self._clock.monotonic_s()
        limit_s = self._models.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                async for delta in self._models.generator.generate(request, chunks):
                    n_tokens += delta.n_tokens
                    if delta.voids:
                        text, first_at_s = "", 0.0
                        silence = SilenceFilter(request.previous_text) if silence else None
                    text += silence.push(delta.text) if silence else delta.text
                    if text and not first_at_s:
                        first_at_s, ttft_s = self._clock.now_s(), self._clock.monotonic_s() - started_s
        except TimeoutError:
            raise GenerationError(f"not finished within generator.timeout_s = {limit_s:g} s") from None
        rest, silent = silence.end() if silence else ("", False)
        return _Words(text + rest, silent, n_tokens, ttft_s, first_at_s or self._clock.now_s())

    def _tokens(self, features: Features, images: bool) -> ChunkInput | None:
        if features.video is None:
            return None
        context = features.context if images else None
        return ChunkInput(chunk_ref(features), video=self._array(features.video), context=self._array(context))

    def _input(self, ref: ChunkRef) -> ChunkInput:
        wants = self._models.generator.wants
        if wants == "nothing":
            return ChunkInput(ref)
        if wants == "frames":
            return ChunkInput(ref, frames=self._array(ref.frames))
        return ChunkInput(ref, context=self._array(ref.context), video=self._array(ref.video))

    def _array(self, ref: BlobRef | None) -> NDArray[Any] | None:
        return None if ref is None else self._arrays[ref.key]

    def _forget(self) -> None:
        """Drops the arrays that neither the context nor a question could still read."""
        state = self._state
        latest = (state.latest,) if state.latest else ()
        kept = {ref.key for ref in (*blobs_of(state.context), *blobs_of(latest))}
        self._arrays = {key: array for key, array in self._arrays.items() if key in kept}
