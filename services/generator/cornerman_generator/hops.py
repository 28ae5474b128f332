"""Hops of the generator: the one end of a request. Builds hops; sends none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cornerman_generator.core import times_of
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.last_feedback import LAST_FEEDBACK_FIELD, LastFeedback
from cornerman_shared.bus.messages import EndEvent, EndStatus, ErrorEvent

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import BlobRef, Request
    from cornerman_shared.bus.streams import Keys
    from cornerman_shared.settings.tree import BusSettings

STAGE = "generator"
COUNTERS: dict[EndStatus, str] = {
    "done": "feedback",
    "declined": "declined",
    "failed": "errors",
    "expired": "expired",
    "cancelled": "cancelled",
}
"""The counter of a source that each end status adds to."""


@dataclass(frozen=True, slots=True)
class ReplyOutcome:
    """How a request ended; `text` is the whole reply."""

    status: EndStatus
    attempt: int
    model: str
    text: str = ""
    silent: bool = False
    cause: str = ""
    n_input_tokens: int = 0
    n_output_tokens: int = 0
    ttft_ms: float = 0.0
    cost: float = 0.0
    tokens_guessed: bool = False
    first_token_at_s: float = 0.0
    started_at_s: float = 0.0
    last_token_at_s: float = 0.0
    tokens_per_s: float = 0.0  # as in `EndEvent`
    prepare_ms: float = 0.0  # as in `EndEvent`
    said_by: Literal["model", "owner"] = "model"


def end_hop(keys: Keys, bus: BusSettings, request: Request, outcome: ReplyOutcome, now_s: float) -> Hop:
    """Ends the request once.

    The hop is void while a newer attempt is at work. If the request has ended already, it only settles the entry.
    """
    i = request.request_id
    hop = Hop()
    if outcome.attempt:  # 0 = never started: no attempt to compare with
        hop.expect(keys.open_requests, i, str(outcome.attempt))
    hop.once(keys.open_requests, i)
    if outcome.status == "failed":
        error = ErrorEvent(request.source_id, request.run, STAGE, outcome.cause, now_s, i, request.incarnation)
        hop.event(keys, error, bus.feedback_maxlen)
    hop.event(keys, end_event(request, outcome, now_s), bus.feedback_maxlen)
    hop.count_in_run(keys, request.source_id, request.run, COUNTERS[outcome.status])
    if outcome.status == "done" and request.kind == "feedback" and not outcome.silent:
        # The decider reads it for the next request; answers and silence must not replace it.
        last = LastFeedback(request.run, request.action, request.pts_s, outcome.text)
        hop.set(keys.decider_state(request.source_id), LAST_FEEDBACK_FIELD, last.to_bytes())
    return hop.expire(keys, request.source_id).free(owned_blobs(request))


def closed_hop(keys: Keys, request: Request, attempt: int) -> Hop:
    """Settles the entry of a request that has ended meanwhile; void while a newer attempt is at work."""
    hop = Hop()
    if attempt:
        hop.expect(keys.open_requests, request.request_id, str(attempt))
    return hop.free(owned_blobs(request))


def end_event(request: Request, outcome: ReplyOutcome, now_s: float) -> EndEvent:
    """The one end of a request."""
    return EndEvent(
        source_id=request.source_id,
        run=request.run,
        request_id=request.request_id,
        attempt=outcome.attempt,
        kind=request.kind,
        action=request.action,
        status=outcome.status,
        pts_s=request.pts_s,
        prompt=request.prompt,
        text=outcome.text,
        silent=outcome.silent,
        cause=outcome.cause,
        model=outcome.model,
        n_input_tokens=outcome.n_input_tokens,
        n_output_tokens=outcome.n_output_tokens,
        ttft_ms=outcome.ttft_ms,
        times=times_of(
            request,
            outcome.first_token_at_s,
            now_s,
            started_at_s=outcome.started_at_s,
            last_token_at_s=outcome.last_token_at_s,
        ),
        picture_age_s=request.picture_age_s,
        incarnation=request.incarnation,
        cost=outcome.cost,
        tokens_guessed=outcome.tokens_guessed,
        tokens_per_s=outcome.tokens_per_s,
        frame_pts_s=frames_of(request),
        prepare_ms=outcome.prepare_ms,
        said_by=outcome.said_by,
        traceparent=request.traceparent,
    )


def span_attributes(outcome: ReplyOutcome) -> dict[str, str | int | float]:
    """The outcome as attributes of a trace; a model's by the conventions for generative AI."""
    return {
        "cornerman.status": outcome.status,
        "cornerman.attempt": outcome.attempt,
        "cornerman.ttft_ms": outcome.ttft_ms,
        "gen_ai.request.model": outcome.model,
        "gen_ai.usage.input_tokens": outcome.n_input_tokens,
        "gen_ai.usage.output_tokens": outcome.n_output_tokens,
    }


def frames_of(request: Request) -> tuple[float, ...]:
    """Media time of every picture that the request is about, oldest first.

    Chunks in a row share frames, which count once; a look may hold one frame several times, and gives all of them.
    """
    if len(request.chunks) == 1:
        return request.chunks[0].frame_pts_s
    return tuple(sorted({round(pts_s, 6) for chunk in request.chunks for pts_s in chunk.frame_pts_s}))


def owned_blobs(request: Request) -> list[BlobRef]:
    """Blobs that only this request refers to, so that its end frees them."""
    if not request.owns_blobs:
        return []
    return [ref for chunk in request.chunks for ref in (chunk.context, chunk.video, chunk.frames) if ref]
