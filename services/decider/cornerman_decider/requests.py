"""What a decision causes on the bus: the messages, built from the decision, the settings and the clock's reading.
Pure."""

from __future__ import annotations

from dataclasses import replace

from cornerman_decider.context import blobs_of
from cornerman_decider.core import Decision
from cornerman_decider.gate import SLACK_S
from cornerman_decider.prompting import commentary_prompt
from cornerman_decider.state import DeciderState, OpenRequest
from cornerman_shared.bus.last_feedback import LastFeedback
from cornerman_shared.bus.messages import (
    ChunkRef,
    DecisionEvent,
    EndEvent,
    EndStatus,
    Features,
    FeatureStatus,
    Question,
    Request,
    Sampling,
    Times,
)
from cornerman_shared.bus.streams import question_request_id
from cornerman_shared.settings.source import SaySettings, SourceSpec


def decision_event(features: Features, decision: Decision, strategy: str, decided_at_s: float) -> DecisionEvent:
    """The event for a chunk."""
    return DecisionEvent(
        source_id=features.source_id,
        run=features.run,
        seq=features.seq,
        pts_s=features.pts_s,
        action=decision.action,
        confidence=decision.confidence,
        reason=decision.reason,
        strategy=strategy,
        motion=features.motion,
        status=features.status,
        times=replace(features.times, decided_at_s=decided_at_s),
    )


def lost_event(features: Features, seq: int, strategy: str, decided_at_s: float) -> DecisionEvent:
    """The event for a chunk that never came; `features` are of the one that followed."""
    status: FeatureStatus = "expired"
    return DecisionEvent(
        source_id=features.source_id,
        run=features.run,
        seq=seq,
        pts_s=features.pts_s,
        action="next",
        confidence=0.0,
        reason="lost",
        strategy=strategy,
        motion=0.0,
        status=status,
        times=Times(decided_at_s=decided_at_s),
    )


def request_for(
    features: Features, decision: Decision, spec: SourceSpec, said: LastFeedback | None, decided_at_s: float
) -> Request:
    """The order to say something about the decision's chunks."""
    speak, say = spec.speak, spec.say
    comment = said.text if said and _is_fresh(said, features, decision.state) else ""
    prompt = say.prompt
    if spec.mode == "commentary":
        prompt = commentary_prompt(say.prompt, comment, decision.change)
    deadline_at_s = decided_at_s + speak.deadline_s if speak.deadline_s and not features.lossless else 0.0
    return Request(
        request_id=f"{features.source_id}:{features.run}:{features.seq}",
        source_id=features.source_id,
        run=features.run,
        seq=features.seq,
        kind="feedback",
        action=decision.action,
        pts_s=features.pts_s,
        prompt=prompt,
        system_prompt=say.system_prompt,
        previous_text=_not_again(said, features, decision, speak.repeat_window_s),
        chunks=decision.chunks,
        sampling=sampling(say),
        adapter=say.adapter,
        deadline_at_s=deadline_at_s,
        owns_blobs=False,
        times=replace(features.times, decided_at_s=decided_at_s),
    )


def request_for_question(
    question: Question, state: DeciderState, chunks: tuple[ChunkRef, ...], say: SaySettings, now_s: float
) -> Request:
    """The order to answer a person about what is on screen."""
    newest = chunks[-1] if chunks else None
    return Request(
        request_id=question_request_id(question.source_id, question.question_id),
        source_id=question.source_id,
        run=state.run,
        seq=newest.seq if newest else 0,
        kind="question",
        action="feedback",
        pts_s=newest.pts_s if newest else 0.0,
        prompt=question.text,
        system_prompt=say.system_prompt,
        previous_text="",
        chunks=chunks,
        sampling=sampling(say),
        adapter=say.adapter,
        deadline_at_s=0.0,
        owns_blobs=False,
        times=Times(captured_at_s=question.asked_at_s, decided_at_s=now_s),
    )


def sampling(say: SaySettings) -> Sampling:
    """How text is drawn for a source."""
    return Sampling(say.max_new_tokens, say.temperature, say.top_p, say.repetition_penalty)


def open_request(request: Request) -> OpenRequest:
    """What the decider remembers of a request until its end."""
    return OpenRequest(
        request_id=request.request_id,
        run=request.run,
        seq=request.seq,
        kind=request.kind,
        action=request.action,
        pts_s=request.pts_s,
        prompt=request.prompt,
        deadline_at_s=request.deadline_at_s,
        refs=blobs_of(request.chunks),
    )


def end_event(
    source_id: str, request: OpenRequest, status: EndStatus, cause: str, attempt: int, now_s: float
) -> EndEvent:
    """The end of a request that no generator will end."""
    return EndEvent(
        source_id=source_id,
        run=request.run,
        request_id=request.request_id,
        attempt=attempt,
        kind=request.kind,
        action=request.action,
        status=status,
        pts_s=request.pts_s,
        prompt=request.prompt,
        text="",
        silent=False,
        cause=cause,
        model="",
        n_input_tokens=0,
        n_output_tokens=0,
        ttft_ms=0.0,
        times=Times(done_at_s=now_s),
    )


def _is_fresh(said: LastFeedback, features: Features, state: DeciderState) -> bool:
    """Words of this run, about a picture that the present instruction was for."""
    return said.run == features.run and said.pts_s >= state.fresh_since_s - SLACK_S


def _not_again(said: LastFeedback | None, features: Features, decision: Decision, window_s: float) -> str:
    """Words of the same action within the repeat window: to say them again would be to say nothing."""
    if said is None or said.action != decision.action or not _is_fresh(said, features, decision.state):
        return ""
    return said.text if features.pts_s - said.pts_s < window_s - SLACK_S else ""
