"""Decides when to speak: one chunk's features and the state of its source in, one decision out.

Pure: no bus, no wall clock, no model. Time is the media time of the chunk, in seconds since the start of the run; 0.0
is a time like any other. A `Strategy` proposes, the gate lets through.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cornerman_common.gate import GateState, pass_gate
from cornerman_decider.state import chunk_ref, extend_context, unreferenced_blobs
from cornerman_decider.strategy import FormProposal, StrategyError
from cornerman_shared.chunk import READS_CHUNKS

if TYPE_CHECKING:
    from cornerman_decider.state import DeciderState, Memory
    from cornerman_decider.strategy import Strategy
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Action, BlobRef, ChunkRef, Features, MovementSeen
    from cornerman_shared.settings.source import SpeakSettings


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one chunk.

    With `speak`, `chunks` are the chunks that the request is about, oldest first. `free` are blobs without a reader.
    """

    action: Action
    confidence: float
    reason: str
    speak: bool
    chunks: tuple[ChunkRef, ...]
    change: float  # grey levels, 0..255; only the scene strategy measures it
    free: tuple[BlobRef, ...]
    state: DeciderState
    about: MovementSeen | None = None


class Decider:
    """One source's settings and strategy. Everything that changes is in `DeciderState`."""

    def __init__(self, speak: SpeakSettings, strategy: Strategy) -> None:
        self._speak = speak
        self._strategy = strategy

    def decide(
        self,
        features: Features,
        state: DeciderState,
        *,
        chunk: ChunkInput | None = None,
        request_open: bool = False,
        prompt: str = "",
    ) -> Decision:
        """Decides about the next chunk.

        Args:
            features: with status `ok`; its `seq` is not checked here.
            state: of the decision before, already of this run.
            chunk: the chunk's tokens, for strategies that want them.
            request_open: a request of this live source is open; the source may not make another.
            prompt: the user's instruction; a new one clears the memory of a strategy that follows it.

        Raises:
            StrategyError: the strategy cannot judge this look.
        """
        speak, strategy = self._speak, self._strategy
        new_prompt = prompt != state.prompt
        if features.look != "chunk" and strategy.name in READS_CHUNKS:
            raise StrategyError(
                f"strategy {strategy.name} judges chunks, and this is a {features.look}; give watch.look = chunk, or "
                "speak.strategy = interval, scene or rules"
            )
        if new_prompt and strategy.follows_prompt:  # what was said before no longer holds anything back
            state = replace(state, gate=GateState())
        proposal, memory = strategy.propose(features, chunk, memory_under(strategy, state, prompt))
        # The interval of polls is their own; a gate as long would lose one that comes half a frame early.
        limits = speak.model_copy(update={"min_interval_s": 0.0}) if features.look == "poll" else speak
        verdict = pass_gate(proposal, features.pts_s, limits, state.gate, request_open)
        spoke = verdict.action != "next"
        # The strategy learns of the verdict, so that its schedule or context follows the action taken.
        memory = strategy.after_gate(features, proposal, spoke, memory)

        about = proposal.about if isinstance(proposal, FormProposal) else None
        counted = _count_chunk(features, state, speak)
        after = replace(
            counted,
            about=about,
            strategy=strategy.name,
            made_from=strategy.made_from,
            memory=memory,
            prompt=prompt,
            prompt_since_s=features.pts_s if new_prompt else state.prompt_since_s,
            gate=verdict.state,
            context=() if spoke and speak.clear_context else counted.context,
            reported_error="",
        )
        # The request reads the context as it was, also when the setting clears it now.
        chunks = counted.context if spoke else ()
        free = unreferenced_blobs(state, after, chunks)
        return Decision(
            verdict.action, proposal.confidence, verdict.reason, spoke, chunks, proposal.change, free, after, about
        )


def memory_under(strategy: Strategy, state: DeciderState, prompt: str) -> Memory:
    """The memory that the strategy goes on from, with its present settings and the present prompt."""
    if strategy.name != state.strategy or (prompt != state.prompt and strategy.follows_prompt):
        return {}
    if state.made_from not in (None, strategy.made_from):
        return strategy.still_true(state.memory)
    return state.memory


def abstain(features: Features, state: DeciderState, speak: SpeakSettings, reason: str) -> Decision:
    """Silence because no strategy can judge; the chunk still enters the context, for questions."""
    after = _count_chunk(features, state, speak)
    return Decision("next", 0.0, reason, False, (), 0.0, unreferenced_blobs(state, after), after)


def skip_chunk(seq: int, state: DeciderState, reason: str) -> Decision:
    """Silence about a chunk without content: its pixels expired, it was buried, or it never came."""
    return Decision("next", 0.0, reason, False, (), 0.0, (), replace(state, next_seq=seq + 1))


def _count_chunk(features: Features, state: DeciderState, speak: SpeakSettings) -> DeciderState:
    chunk = chunk_ref(features)
    # Only chunks are parts of a longer moment; another look is the whole of what a request is about.
    limit = speak.context_chunks if features.look == "chunk" else 1
    context = extend_context(state.context, chunk, limit, speak.context_timeout_s)
    return replace(state, next_seq=features.seq + 1, context=context, latest=chunk)
