"""Hops of the decider: the events, messages and state that each outcome writes. Builds hops; sends none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerman_decider.requests import decision_event, end_event, lost_event, open_request, refused_event
from cornerman_decider.state import DeciderState, OpenRequest, add_request, blobs_of, chunk_ref, unreferenced_blobs
from cornerman_decider.state_codec import (
    PLACE_FIELD,
    STATE_FIELD,
    place_text,
    question_bytes,
    question_field,
    state_bytes,
)
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.last_feedback import LAST_FEEDBACK_FIELD
from cornerman_shared.bus.messages import ErrorEvent, StateEvent
from cornerman_shared.bus.publish import credit_member
from cornerman_shared.bus.streams import NOTE_ENDED, question_request_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cornerman_decider.core import Decision
    from cornerman_shared.bus.messages import BlobRef, EndEvent, EndStatus, Features, Question, Request
    from cornerman_shared.bus.resequence import Gap
    from cornerman_shared.bus.streams import Keys
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import BusSettings

STAGE = "decider"
QUESTION_KEPT_S = 3600
"""How long a question is known as taken. Its entry is deleted when it is settled, so it is not asked again later."""


class DeciderHops:
    """Builds the hops of one shard."""

    def __init__(self, keys: Keys, bus: BusSettings) -> None:
        self._keys = keys
        self._bus = bus

    def begin(self, features: Features, gaps: Iterable[Gap], strategy: str, now_s: float) -> Hop:
        """Starts the hop of a chunk, with the decisions of missing chunks before it. Void if the run is not current."""
        k, source_id = self._keys, features.source_id
        hop = Hop().current(k, source_id, features.run, features.incarnation)
        # A lost chunk still holds its credit: without the release, capture would wait until it heals by age.
        for gap in gaps:
            event = lost_event(features, gap.seq, strategy, now_s, gap.count)
            hop.event(k, event, self._bus.feedback_maxlen)
            for name in ("decided", "lost"):
                hop.count_in_run(k, source_id, features.run, name, gap.count)
            hop.release_range(k.inflight(source_id), features.run, gap.seq, gap.last)
        return hop

    def unless_lost(self, hop: Hop, source_id: str, place: str) -> Hop:
        """Makes a hop conditional: it runs only if the server still has the `place` that we wrote last."""
        return hop.holds(self._keys.decider_state(source_id), PLACE_FIELD, place)

    def decided(self, hop: Hop, features: Features, decision: Decision, strategy: str, now_s: float) -> None:
        """Adds the decision of a chunk, returns its credit and frees its blobs."""
        k, source_id, run = self._keys, features.source_id, features.run
        said = (decision.action, decision.confidence, decision.reason, strategy, now_s, decision.about)
        event = decision_event(features, *said)
        hop.event(k, event, self._bus.feedback_maxlen)
        hop.count_in_run(k, source_id, run, "buried" if features.status == "buried" else "decided")
        if decision.reason == "blob_expired":
            hop.count_in_run(k, source_id, run, "expired_blobs")
        hop.release(k.inflight(features.source_id), credit_member(features.run, features.seq))
        hop.free(decision.free)

    def requested(self, hop: Hop, request: Request, state: DeciderState) -> DeciderState:
        """Adds a request to a generator; returns the state with the request open."""
        k = self._keys
        hop.add(k.requests, request, self._bus.maxlen)
        hop.set(k.open_requests, request.request_id, b"0")  # attempts so far
        hop.count_in_run(k, request.source_id, request.run, "requests")
        return add_request(state, open_request(request))

    def asked(self, question: Question, request: Request, state: DeciderState) -> tuple[Hop, DeciderState]:
        """The hop that turns a question into a request, once, and the state after it. Void for an old incarnation."""
        source_id = request.source_id
        hop = self._first(question).current(self._keys, source_id, "", request.incarnation)
        hop.count_in_run(self._keys, source_id, request.run, "questions")
        after = self.requested(hop, request, state)
        return hop.extend(self.keep_questions(source_id, (open_request(request),))), after

    def refused(self, question: Question, request: Request, refusal: tuple[EndStatus, str], now_s: float) -> Hop:
        """The end (status, cause) of a question that becomes no request; it counts as one that ended at once."""
        status, cause = refusal
        hop = self._first(question)
        hop.event(self._keys, refused_event(request, cause, now_s, status), self._bus.feedback_maxlen)
        for name in ("questions", "requests", "expired" if status == "expired" else "errors"):
            hop.count_in_run(self._keys, request.source_id, request.run, name)
        return hop.expire(self._keys, request.source_id)

    def keep_questions(self, source_id: str, questions: Iterable[OpenRequest]) -> Hop:
        """Saves open questions, each in a field of its own."""
        hop = Hop()
        for question in questions:
            field = question_field(question.request_id)
            hop.set(self._keys.decider_state(source_id), field, question_bytes(question))
        return hop

    def forget_questions(self, source_id: str, requests: Iterable[OpenRequest]) -> Hop:
        """Deletes the fields of the questions among ended requests."""
        hop = Hop()
        for request in requests:
            if request.kind == "question":
                hop.delete(self._keys.decider_state(source_id), question_field(request.request_id))
        return hop

    def _first(self, question: Question) -> Hop:
        """Starts a hop that takes a question once, also when a group that was deleted delivers it again."""
        return Hop().first(self._keys.answered(question.source_id), question.question_id, QUESTION_KEPT_S)

    def report_error(self, hop: Hop, features: Features, message: str, now_s: float) -> None:
        """Adds an error event for the viewers of the source."""
        event = ErrorEvent(features.source_id, features.run, STAGE, message, now_s, incarnation=features.incarnation)
        hop.event(self._keys, event, self._bus.feedback_maxlen)

    def ended(self, hop: Hop, features: Features, now_s: float) -> None:
        """Adds the end of the run. A source that failed keeps the state `failed`."""
        k, run = self._keys, self._keys.run(features.source_id)
        detail, incarnation = "every chunk is decided", features.incarnation
        event = StateEvent(features.source_id, features.run, "ended", detail, now_s, incarnation)
        hop.event(k, event, self._bus.feedback_maxlen)
        hop.set(run, "state", "ended", unless="failed").set(run, "done", "1")

    def ended_once(self, features: Features, now_s: float) -> Hop:
        """Ends the run of a buried end marker; sent again after a lost reply, it ends neither twice nor a newer run."""
        run = self._keys.run(features.source_id)
        hop = Hop().expect(run, "run", features.run).expect(run, "done", "")
        self.ended(hop, features, now_s)
        return hop

    def save(self, hop: Hop, source_id: str, state: DeciderState) -> None:
        """Saves the state in the same step, and its place in the run once more in plain text."""
        key = self._keys.decider_state(source_id)
        hop.set(key, STATE_FIELD, state_bytes(state))
        self.place(hop, source_id, state)

    def place(self, hop: Hop, source_id: str, state: DeciderState) -> Hop:
        """Saves only the place in the run."""
        key = self._keys.decider_state(source_id)
        return hop.set(key, PLACE_FIELD, place_text(state))

    def dropped(self, features: Features, free: Iterable[BlobRef] | None = None) -> Hop:
        """Settles features of an older run, or late ones, without a decision.

        Args:
            features: of the chunk.
            free: its blobs that nothing else reads; None = all of them.
        """
        inflight = self._keys.inflight(features.source_id)
        hop = Hop().release(inflight, credit_member(features.run, features.seq))
        return hop.free(blobs_of((chunk_ref(features),)) if free is None else free)

    def late(self, features: Features, state: DeciderState, place: str) -> Hop:
        """`dropped` for a chunk of the present run: void if a fail-over lost its decision, so that it stays pending.

        Delivered again after its decision, a chunk may still be in the context.
        """
        chunk = replace(DeciderState(), latest=chunk_ref(features))
        hop = self.dropped(features, unreferenced_blobs(chunk, state))
        return self.unless_lost(hop, features.source_id, place) if features.run == state.run else hop

    def buried(self, features: Features, reason: str, strategy: str, now_s: float) -> Hop:
        """The decision for features that were delivered too often; an end marker is decided in its turn."""
        k = self._keys
        if features.status == "end":
            return Hop()  # earlier chunks may still come; the worker ends the run once they are decided
        event = decision_event(features, "next", 0.0, f"buried: {reason}", strategy, now_s)
        hop = Hop().event(k, event, self._bus.feedback_maxlen)
        hop.count_in_run(k, features.source_id, features.run, "buried")
        hop.release(k.inflight(features.source_id), credit_member(features.run, features.seq))
        return hop.expire(k, features.source_id).free(blobs_of((chunk_ref(features),)))

    def end(
        self, state: DeciderState, source_id: str, request: OpenRequest, cause: str, attempt: int, now_s: float
    ) -> Hop:
        """Ends a request of the state once as expired, unless it has ended or a newer attempt has begun meanwhile."""
        k, i = self._keys, request.request_id
        # A generator that takes the request between our look and this hop raises the attempt: then it goes on.
        hop = Hop().expect(k.open_requests, i, str(attempt)).extend(self.forget_questions(source_id, (request,)))
        event = end_event(source_id, request, "expired", cause, attempt, now_s, state.incarnation)
        hop.once(k.open_requests, i).event(k, event, self._bus.feedback_maxlen).wake(k, f"{NOTE_ENDED}{i}")
        return hop.count_in_run(k, source_id, request.run, "expired").expire(k, source_id)

    def cancelled(
        self, state: DeciderState, source_id: str, request: OpenRequest, cause: str, attempt: int, now_s: float
    ) -> Hop:
        """Ends a request of the state once as cancelled, also while a generator works on it."""
        k = self._keys
        event = end_event(source_id, request, "cancelled", cause, attempt, now_s, state.incarnation)
        hop = Hop().once(k.open_requests, request.request_id).wake(k, f"{NOTE_ENDED}{request.request_id}")
        hop.event(k, event, self._bus.feedback_maxlen)
        return hop.count_in_run(k, source_id, request.run, "cancelled").expire(k, source_id)

    def instructed(self, request: Request | None, decision: Decision, spec: SourceSpec) -> tuple[Hop, DeciderState]:
        """The hop that puts a new instruction in force, once, and the state after it. Void for an old run.

        Args:
            request: what is asked at once; None = nothing.
            decision: about the newest chunk, under the instruction.
            spec: the source's settings, with the instruction.
        """
        k, state, source_id = self._keys, decision.state, spec.source_id
        hop = Hop().current(k, source_id, state.run, state.incarnation)
        hop.first(k.answered(source_id), f"instruction:{state.run}:{spec.revision}", QUESTION_KEPT_S)
        hop.delete(k.decider_state(source_id), LAST_FEEDBACK_FIELD)
        if request is not None:
            state = self.requested(hop, request, state)
        self.save(hop.free(decision.free), source_id, state)
        return hop, state

    def unanswered(self, question: Question, cause: str, now_s: float) -> Hop:
        """The error and the end of a question that no worker of its source has taken."""
        request_id = question_request_id(question.source_id, question.question_id)
        error = ErrorEvent(question.source_id, "", STAGE, cause, now_s, request_id)
        request = OpenRequest(request_id, "", 0, "question", "feedback", 0.0, question.text, 0.0, ())
        end = end_event(question.source_id, request, "failed", cause, 0, now_s)
        end = replace(end, traceparent=question.traceparent)
        hop = self._first(question).event(self._keys, error, self._bus.feedback_maxlen)
        return hop.event(self._keys, end, self._bus.feedback_maxlen).expire(self._keys, question.source_id)

    def no_such_source(self, question: Question, now_s: float) -> Hop:
        """The end of a question about an unknown source."""
        cause = f"there is no source {question.source_id!r}, so the question cannot be answered"
        return self.unanswered(question, cause, now_s)

    def forget(self, source_id: str, refs: tuple[BlobRef, ...], requests: Iterable[OpenRequest] = ()) -> Hop:
        """Deletes the state of a removed source, with its open requests; void if it has been added again."""
        hop = Hop().unregistered(self._keys, source_id).extend(self.forget_questions(source_id, requests))
        for field in (STATE_FIELD, LAST_FEEDBACK_FIELD, PLACE_FIELD):
            hop.delete(self._keys.decider_state(source_id), field)
        return hop.free(refs)

    def start_over(self, source_id: str, run: str, message: str, now_s: float) -> Hop:
        """Deletes a state that cannot be read, and tells it. The place in the run stays."""
        event = ErrorEvent(source_id, run, STAGE, message, now_s)
        hop = Hop().event(self._keys, event, self._bus.feedback_maxlen)
        for field in (STATE_FIELD, LAST_FEEDBACK_FIELD):
            hop.delete(self._keys.decider_state(source_id), field)
        return hop.expire(self._keys, source_id)

    def end_unknown(self, end: EndEvent) -> Hop:
        """Ends a request as cancelled of which only the id is known."""
        k = self._keys
        hop = Hop().once(k.open_requests, end.request_id).wake(k, f"{NOTE_ENDED}{end.request_id}")
        hop.event(k, end, self._bus.feedback_maxlen)
        return hop.count_in_run(k, end.source_id, end.run, "cancelled").expire(k, end.source_id)
