"""Messages that follow from a decision, a question or a deadline, with their prompts. Pure; `hops` writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from cornerman_common.gate import SLACK_S
from cornerman_decider.state import OpenRequest, blobs_of
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Request, Sampling, Times
from cornerman_shared.bus.streams import question_request_id

if TYPE_CHECKING:
    from cornerman_decider.core import Decision
    from cornerman_decider.state import DeciderState
    from cornerman_shared.bus.last_feedback import LastFeedback
    from cornerman_shared.bus.messages import (
        Action,
        ChunkRef,
        EndStatus,
        Features,
        FeatureStatus,
        MovementSeen,
        Question,
    )
    from cornerman_shared.settings.source import SaySettings, SourceSpec


Density = Literal["minimal", "brief", "normal"]
"""How much a commentator says: the less has changed and the shorter the comment before, the less."""

SHORT_CHARACTERS = 40  # a comment below this is short
SMALL_CHANGE = 15.0  # mean grey levels, 0..255
MEDIUM_CHANGE = 40.0

_LENGTHS: dict[Density, str] = {
    "minimal": "Hardly anything has changed: a few words at most.",
    "brief": "Little has changed: one short sentence.",
    "normal": "One or two sentences.",
}


TRAINED = ("head", "skeleton", "llm")
"""Strategies that judge the exercise; the others only keep a schedule or see change."""

_KNOWN: dict[Action, str] = {
    "correct": "A trained coach that watches along sees a mistake now and wants it corrected",
    "feedback": "A trained coach that watches along sees good work now and wants to say so",
}


def decision_event(
    features: Features,
    action: Action,
    confidence: float,
    reason: str,
    strategy: str,
    decided_at_s: float,
    about: MovementSeen | None = None,
) -> DecisionEvent:
    """The event for a chunk."""
    return DecisionEvent(
        source_id=features.source_id,
        run=features.run,
        seq=features.seq,
        pts_s=features.pts_s,
        action=action,
        confidence=confidence,
        reason=reason,
        strategy=strategy,
        motion=features.motion,
        status=features.status,
        times=features.times.reached("decided", decided_at_s),
        about=about,
        incarnation=features.incarnation,
        traceparent=features.traceparent,
    )


def span_attributes(decision: Decision, strategy: str) -> dict[str, str | float]:
    """The decision as attributes of a trace."""
    said = {"action": decision.action, "confidence": decision.confidence, "reason": decision.reason}
    return {f"cornerman.{name}": value for name, value in (*said.items(), ("strategy", strategy))}


def lost_event(features: Features, seq: int, strategy: str, decided_at_s: float, n_chunks: int = 1) -> DecisionEvent:
    """The one event for `n_chunks` chunks from `seq` that never came; `features` are of the one that followed."""
    status: FeatureStatus = "expired"  # the nearest status on the wire: there were no features
    return DecisionEvent(
        source_id=features.source_id,
        run=features.run,
        seq=seq,
        pts_s=features.pts_s,
        action="next",
        confidence=0.0,
        reason="lost" if n_chunks == 1 else f"lost {seq}..{seq + n_chunks - 1}",
        strategy=strategy,
        motion=0.0,
        status=status,
        times=Times(decided_at_s=decided_at_s),
        incarnation=features.incarnation,
        n_chunks=n_chunks,
    )


def request_for(
    features: Features, decision: Decision, spec: SourceSpec, last: LastFeedback | None, decided_at_s: float
) -> Request:
    """The request for text about the decision's chunks; `last` is the source's last feedback."""
    speak, say = spec.speak, spec.say
    comment = last.text if last and _is_current(last, features, decision.state) else ""
    prompt = say.prompt
    if spec.mode == "commentary":
        prompt = commentary_prompt(say.prompt, comment, decision.change)
    # A lossless source waits for its text, so only live requests grow stale.
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
        previous_text=_text_to_avoid(last, features, decision, spec),
        chunks=decision.chunks,
        sampling=sampling(say),
        adapter=say.adapter,
        deadline_at_s=deadline_at_s,
        owns_blobs=False,
        times=features.times.reached("decided", decided_at_s),
        picture_age_s=picture_age_s(features.times.captured_at_s, decided_at_s),
        known=known_of(decision, speak.strategy),
        about=spoken_about(decision),
        incarnation=features.incarnation,
        traceparent=features.traceparent,
    )


def spoken_about(decision: Decision) -> MovementSeen | None:
    """What the words are about: of several mistakes of one repetition, the one that the decision names."""
    about = decision.about
    if about is None or decision.action != "correct":
        return about
    named = tuple(one for one in about.mistakes if decision.reason == f"{about.exercise}:{one.name}")
    return replace(about, mistakes=named) if named else about


def request_for_question(
    question: Question,
    state: DeciderState,
    chunks: tuple[ChunkRef, ...],
    say: SaySettings,
    now_s: float,
    deadline_at_s: float = 0.0,
) -> Request:
    """The request for an answer to a person about `chunks`, oldest first."""
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
        deadline_at_s=deadline_at_s,
        owns_blobs=False,
        times=Times(captured_at_s=question.asked_at_s).reached("decided", now_s),
        picture_age_s=picture_age_s(newest.captured_at_s if newest else 0.0, now_s),
        about=state.about,
        incarnation=state.incarnation,
        traceparent=question.traceparent,
    )


def picture_age_s(captured_at_s: float, now_s: float) -> float:
    """Seconds since a picture was captured; 0 = unknown. Two processes know the time up to a round trip."""
    return max(0.001, now_s - captured_at_s) if captured_at_s > 0 else 0.0


def refusal(request: Request, spec: SourceSpec, ended: bool, state: str, detail: str) -> str:
    """The reason why a question must not be answered from the newest picture, for people; "" = it may.

    A picture may be old where the source stands still by intention: its file has ended, it is paused, or it is
    lossless and waits for its words.

    Args:
        request: made from the question.
        spec: the source's settings.
        ended: whether every chunk of the run is decided.
        state: of the source, as capture reported it last.
        detail: the reason of the state.
    """
    if not request.chunks:
        return f"there is no picture of {spec.source_id} yet ({_shown_state(state, detail)}); ask again when it plays"
    limit_s = spec.speak.max_age_s
    if not limit_s or request.picture_age_s <= limit_s or ended or spec.paused or spec.watch.lossless:
        return ""
    return (
        f"the newest picture of {spec.source_id} is {request.picture_age_s:.0f} s old, more than speak.max_age_s = "
        f"{limit_s:g} ({_shown_state(state, detail)}); ask again when it plays, or raise speak.max_age_s"
    )


def refused_event(request: Request, cause: str, now_s: float, status: EndStatus = "failed") -> EndEvent:
    """The end of a question that is not handed to a generator."""
    end = end_event(request.source_id, open_request(request), status, cause, 0, now_s, request.incarnation)
    return replace(end, traceparent=request.traceparent)


def _shown_state(state: str, detail: str) -> str:
    return f"it is {state or 'waiting'}: {detail}" if detail else f"it is {state or 'waiting'}"


def known_of(decision: Decision, strategy: str) -> str:
    """The decision of a trained strategy in a sentence, for models that follow prompts; empty for the others."""
    said = _KNOWN.get(decision.action, "") if strategy in TRAINED else ""
    return f"{said} (confidence {decision.confidence:.2f})." if said else ""


def density(previous: str, change: float) -> Density:
    """How much to say, from the comment before (empty = none yet) and the change since."""
    short = bool(previous) and len(previous) < SHORT_CHARACTERS
    if change < SMALL_CHANGE and short:
        return "minimal"
    if change < SMALL_CHANGE or (change < MEDIUM_CHANGE and short):
        return "brief"
    return "normal"


def commentary_prompt(instruction: str, previous: str, change: float) -> str:
    """The instruction with the comment before, the length asked for, and the reply that means silence."""
    lines = [instruction, _LENGTHS[density(previous, change)]]
    if previous:
        lines.append(f'You said last: "{previous}". Do not say that again.')
        lines.append("If there is nothing new to say, answer with exactly: ...")
    return "\n".join(lines)


def sampling(say: SaySettings) -> Sampling:
    """Sampling parameters of a source's requests."""
    return Sampling(say.max_new_tokens, say.temperature, say.top_p, say.repetition_penalty)


def open_request(request: Request) -> OpenRequest:
    """The part of a request that the decider remembers until its end."""
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
        picture_age_s=request.picture_age_s,
    )


def end_event(
    source_id: str,
    request: OpenRequest,
    status: EndStatus,
    cause: str,
    attempt: int,
    now_s: float,
    incarnation: int = 0,
) -> EndEvent:
    """The end of a request that no generator will end."""
    return EndEvent.without_words(
        source_id,
        request.run,
        request.request_id,
        kind=request.kind,
        status=status,
        cause=cause,
        done_at_s=now_s,
        attempt=attempt,
        action=request.action,
        pts_s=request.pts_s,
        prompt=request.prompt,
        picture_age_s=request.picture_age_s,
        incarnation=incarnation,
    )


def _is_current(last: LastFeedback, features: Features, state: DeciderState) -> bool:
    """True for feedback of this run, about a chunk that the present prompt applied to."""
    return last.run == features.run and last.pts_s >= state.prompt_since_s - SLACK_S


def _text_to_avoid(last: LastFeedback | None, features: Features, decision: Decision, spec: SourceSpec) -> str:
    """Text of the last feedback, if it had the same action and is within the repeat window; else empty.

    A commentator does not say a line twice in a row, however long ago it was.
    """
    if last is None or last.action != decision.action or not _is_current(last, features, decision.state):
        return ""
    window_s = spec.speak.repeat_window_s
    if spec.mode == "commentary" and window_s > 0:
        return last.text
    return last.text if features.pts_s - last.pts_s < window_s - SLACK_S else ""
