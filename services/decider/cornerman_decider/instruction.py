"""A new instruction while a source is watched: what it makes void, and what is said at once. Pure.

What was said, learned and shown under the old instruction has no part in what follows. The strategy is asked about
the newest chunk once more, without waiting for the next one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerman_common.gate import GateState
from cornerman_decider.core import Decision
from cornerman_decider.requests import picture_age_s, request_for
from cornerman_decider.state import unreferenced_blobs
from cornerman_shared.bus.messages import Features, Times

if TYPE_CHECKING:
    from cornerman_decider.state import DeciderState
    from cornerman_shared.bus.messages import Action, ChunkRef, Request
    from cornerman_shared.settings.source import SaySettings, SourceSpec

REASON = "new_instruction"
ALL_IS_NEW = 255.0
"""Change of the picture, in mean grey levels, for a model that has not commented on it yet."""


def instruction_of(say: SaySettings) -> str:
    """What the model is told to do, in one text to compare."""
    return f"{say.prompt}\n\n{say.system_prompt}" if say.system_prompt else say.prompt


def is_new_instruction(state: DeciderState, say: SaySettings) -> bool:
    """True if chunks of this run were decided under another instruction."""
    return bool(state.strategy) and state.latest is not None and state.prompt != instruction_of(say)


def instructed(state: DeciderState, say: SaySettings, *, forget: bool) -> DeciderState:
    """The state under a new instruction, without the context of the old one.

    Args:
        state: with a newest chunk.
        say: with the new instruction.
        forget: the strategy follows instructions, so its memory and the gate's belong to the old one.
    """
    after = replace(
        state,
        prompt=instruction_of(say),
        prompt_since_s=state.latest.pts_s if state.latest else state.prompt_since_s,
        context=(),
    )
    return replace(after, memory={}, gate=GateState()) if forget else after


def may_speak_again(state: DeciderState, spec: SourceSpec, now_s: float) -> bool:
    """True if the newest chunk still shows what there is to see; the rule for questions, by `speak.max_age_s`."""
    if state.latest is None or state.ended or spec.paused:
        return False
    age_s, limit_s = picture_age_s(state.latest.captured_at_s, now_s), spec.speak.max_age_s
    return spec.watch.lossless or not limit_s or age_s <= limit_s


def features_again(spec: SourceSpec, state: DeciderState, chunk: ChunkRef) -> Features:
    """A chunk's features as far as the state still knows them: no motion, and no vector."""
    return Features(
        source_id=spec.source_id,
        run=state.run,
        seq=chunk.seq,
        pts_s=chunk.pts_s,
        motion=0.0,
        lossless=spec.watch.lossless,
        status="ok",
        vector=None,
        context=chunk.context,
        video=chunk.video,
        frames=chunk.frames,
        frame_pts_s=chunk.frame_pts_s,
        model="",
        times=Times(captured_at_s=chunk.captured_at_s),
        incarnation=state.incarnation,
    )


def request_again(decision: Decision, spec: SourceSpec, now_s: float) -> Request | None:
    """The request of a decision about the newest chunk, under an id of its own; None if it is silent."""
    state = decision.state
    if not decision.speak or state.latest is None:
        return None
    request = request_for(features_again(spec, state, state.latest), decision, spec, None, now_s)
    return replace(request, request_id=f"{request.request_id}:{spec.revision}")


def silence(state: DeciderState) -> Decision:
    """Nothing is said at once; the next chunk is decided as ever."""
    return Decision("next", 0.0, REASON, False, (), 0.0, (), state)


def resumed(state: DeciderState, chunk: ChunkRef, interrupted: Action) -> Decision:
    """Takes the place of an interrupted answer: the same verdict, about the newest chunk."""
    after = replace(state, gate=replace(state.gate, spoke_at_s=chunk.pts_s))
    return Decision(interrupted, 1.0, REASON, True, (chunk,), ALL_IS_NEW, (), after, state.about)


def freeing(decision: Decision, before: DeciderState) -> Decision:
    """The decision with the blobs that `before` refers to and nothing does any more."""
    return replace(decision, free=unreferenced_blobs(before, decision.state, decision.chunks))
