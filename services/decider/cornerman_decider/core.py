"""When to speak: one chunk's features and the memory of its source in, one decision out.

Pure. It knows no bus, no wall clock and no model; time is the media time of the chunk, in seconds since the start
of the
run, and 0.0 is a time like any other. Who proposes is a `Strategy`; what may pass is the gate's business.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cornerman_decider.context import blobs_of, push
from cornerman_decider.gate import Proposal, pass_gate
from cornerman_decider.state import DeciderState, Memory, OpenRequest
from cornerman_shared.bus.messages import Action, BlobRef, ChunkRef, Features
from cornerman_shared.errors import CornermanError
from cornerman_shared.settings.source import SpeakSettings


class StrategyError(CornermanError):
    """A strategy cannot judge: its model is missing, broken, or made for other features."""


@dataclass(frozen=True, slots=True)
class ChunkTensors:
    """A chunk's visual tokens, as the language model reads them.

    Attributes:
        video: [V, D] of the video tower.
        images: [T, P, D] of the chunk's frames in time order; None when nobody asked for them, or there are none.
    """

    video: NDArray[np.floating]
    images: NDArray[np.floating] | None = None

    def newest(self, frames: int) -> NDArray[np.floating]:
        """Tokens [frames * P + V, D]: those of the newest `frames` images in time order, then the video's.

        Raises:
            StrategyError: there are fewer images.
        """
        if frames == 0:
            return self.video
        have = 0 if self.images is None else len(self.images)
        if self.images is None or have < frames:
            raise StrategyError(
                f"the model decides on the image tokens of {frames} frames of each chunk, and the encoder gives "
                f"{have}; let the same checkpoint encode (encoder.model), or choose another strategy"
            )
        newest = self.images[have - frames :]
        return np.concatenate([newest.reshape(-1, newest.shape[-1]), self.video])


class Strategy(Protocol):
    """Proposes an action for each chunk. Keeps what it must remember in the memory it is given."""

    name: str
    wants_tokens: bool  # the chunk's video tokens must be fetched
    wants_images: bool  # and the image tokens of its frames with them
    follows_prompt: bool  # a new instruction makes it start afresh

    def propose(self, features: Features, tokens: ChunkTensors | None, memory: Memory) -> tuple[Proposal, Memory]:
        """What it would do about this chunk, and what it remembers.

        Args:
            features: one chunk with status `ok`.
            tokens: the chunk's tokens when `wants_tokens`.
            memory: what the call before returned; empty at the start of a run.

        Raises:
            StrategyError: it cannot judge this chunk.
        """

    def settled(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Tells it whether its proposal passed the gate."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one chunk.

    `chunks` is what the words shall be about, oldest first, when `speak`. `free` are blobs that nobody needs any
    more.
    """

    action: Action
    confidence: float
    reason: str
    speak: bool
    chunks: tuple[ChunkRef, ...]
    change: float  # grey levels, 0..255; only the scene strategy measures it
    free: tuple[BlobRef, ...]
    state: DeciderState


class Decider:
    """One source's settings and strategy. All that changes lies in `DeciderState`."""

    def __init__(self, speak: SpeakSettings, strategy: Strategy) -> None:
        self._speak = speak
        self._strategy = strategy

    def decide(
        self,
        features: Features,
        state: DeciderState,
        *,
        tokens: ChunkTensors | None = None,
        request_open: bool = False,
        prompt: str = "",
    ) -> Decision:
        """Judges the chunk that comes next.

        Args:
            features: with status `ok`; its `seq` is not checked here.
            state: what the decision before returned, already of this run.
            tokens: the chunk's tokens, for strategies that want them.
            request_open: live, something is being said already; the source may not ask for more.
            prompt: the user's instruction; a new one makes the strategy start afresh.
        """
        speak, strategy = self._speak, self._strategy
        new_prompt = prompt != state.prompt
        changed = strategy.name != state.strategy or (new_prompt and strategy.follows_prompt)
        memory = {} if changed else state.memory
        proposal, memory = strategy.propose(features, tokens, memory)
        verdict = pass_gate(proposal, features.pts_s, speak, state.gate, request_open)
        spoke = verdict.action != "next"
        memory = strategy.settled(features, proposal, spoke, memory)

        seen = _seen(features, state, speak)
        after = replace(
            seen,
            strategy=strategy.name,
            memory=memory,
            prompt=prompt,
            fresh_since_s=features.pts_s if new_prompt else state.fresh_since_s,
            gate=verdict.state,
            context=() if spoke and speak.clear_context else seen.context,
            told="",
        )
        chunks = seen.context if spoke else ()
        free = no_longer_needed(state, after, chunks)
        return Decision(
            verdict.action, proposal.confidence, verdict.reason, spoke, chunks, proposal.change, free, after
        )


def only_watch(features: Features, state: DeciderState, speak: SpeakSettings, reason: str) -> Decision:
    """Silence because no strategy can judge; the chunk still counts as seen, for questions."""
    after = _seen(features, state, speak)
    return Decision("next", 0.0, reason, False, (), 0.0, no_longer_needed(state, after), after)


def pass_over(seq: int, state: DeciderState, reason: str) -> Decision:
    """Silence about a chunk that nobody can see: its pixels are gone, it was buried, or it never came."""
    return Decision("next", 0.0, reason, False, (), 0.0, (), replace(state, next_seq=seq + 1))


def new_run(run: str, before: DeciderState) -> DeciderState:
    """Memory for a new run of a source; requests that are still open stay so, with what they read."""
    return DeciderState(run=run, open=before.open)


def opened(state: DeciderState, request: OpenRequest) -> DeciderState:
    """Remembers a request that is being made."""
    return replace(state, open=(*state.open, request))


def closed(state: DeciderState, still_open: Container[str]) -> tuple[DeciderState, tuple[BlobRef, ...]]:
    """Forgets requests that have ended; returns the blobs that nobody needs any more."""
    kept = tuple(request for request in state.open if request.request_id in still_open)
    if len(kept) == len(state.open):
        return state, ()
    after = replace(state, open=kept)
    return after, no_longer_needed(state, after)


def is_speaking(state: DeciderState) -> bool:
    """Is a request open that the source itself made? Questions do not count."""
    return any(request.kind == "feedback" for request in state.open)


def on_screen(state: DeciderState) -> tuple[ChunkRef, ...]:
    """What a question is about: the context, or at least the newest chunk."""
    if state.context:
        return state.context
    return (state.latest,) if state.latest else ()


def no_longer_needed(
    before: DeciderState, after: DeciderState, reading: tuple[ChunkRef, ...] = ()
) -> tuple[BlobRef, ...]:
    """Blobs that `before` held and neither `after` nor the chunks being read hold."""
    kept = _held(after) | {ref.key for ref in blobs_of(reading)}
    seen: dict[str, BlobRef] = {}
    for ref in _refs(before):
        if ref.key not in kept:
            seen[ref.key] = ref
    return tuple(seen.values())


def chunk_ref(features: Features) -> ChunkRef:
    """What a request says of a chunk."""
    return ChunkRef(
        seq=features.seq,
        pts_s=features.pts_s,
        frame_pts_s=features.frame_pts_s,
        context=features.context,
        video=features.video,
        frames=features.frames,
    )


def _seen(features: Features, state: DeciderState, speak: SpeakSettings) -> DeciderState:
    chunk = chunk_ref(features)
    context = push(state.context, chunk, speak.context_chunks, speak.context_timeout_s)
    return replace(state, next_seq=features.seq + 1, context=context, latest=chunk)


def _refs(state: DeciderState) -> tuple[BlobRef, ...]:
    latest = (state.latest,) if state.latest else ()
    read = tuple(ref for request in state.open for ref in request.refs)
    return (*blobs_of(state.context), *blobs_of(latest), *read)


def _held(state: DeciderState) -> set[str]:
    return {ref.key for ref in _refs(state)}
