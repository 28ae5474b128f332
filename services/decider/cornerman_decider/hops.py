"""Hops of the decider: the events, messages and state that each outcome writes. Builds hops; sends none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_decider.requests import decision_event, end_event, lost_event, open_request, refused_event
from cornerman_decider.state import OpenRequest, add_request, blobs_of, chunk_ref
from cornerman_decider.state_codec import STATE_FIELD, question_bytes, question_field, state_bytes
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.last_feedback import LAST_FEEDBACK_FIELD
from cornerman_shared.bus.messages import ErrorEvent, StateEvent
from cornerman_shared.bus.publish import credit_member
from cornerman_shared.bus.streams import question_request_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cornerman_decider.core import Decision
    from cornerman_decider.state import DeciderState
    from cornerman_shared.bus.messages import BlobRef, EndStatus, Features, Question, Request
    from cornerman_shared.bus.streams import Keys
    from cornerman_shared.settings.tree import BusSettings

STAGE = "decider"
QUESTION_KEPT_S = 3600
"""How long a question is known as taken; one that waited for longer before it was read is not answered any more."""


class DeciderHops:
    """Builds the hops of one shard."""

    def __init__(self, keys: Keys, bus: BusSettings) -> None:
        self._keys = keys
        self._bus = bus

    def begin(self, features: Features, gaps: Iterable[int], strategy: str, now_s: float) -> Hop:
        """Starts the hop of a chunk, with the decisions of missing chunks before it. Void if the run is not current."""
        k, source_id = self._keys, features.source_id
        hop = Hop().expect(k.run(source_id), "run", features.run)
        # A lost chunk still holds its credit: without the release, capture would wait until it heals by age.
        for seq in gaps:
            hop.event(k, lost_event(features, seq, strategy, now_s), self._bus.feedback_maxlen)
            hop.count(k.counters(source_id), "decided").count(k.counters(source_id), "lost")
            hop.release(k.inflight(source_id), credit_member(features.run, seq))
        return hop

    def decided(self, hop: Hop, features: Features, decision: Decision, strategy: str, now_s: float) -> None:
        """Adds the decision of a chunk, returns its credit and frees its blobs."""
        k, counters = self._keys, self._keys.counters(features.source_id)
        said = (decision.action, decision.confidence, decision.reason, strategy, now_s, decision.about)
        event = decision_event(features, *said)
        hop.event(k, event, self._bus.feedback_maxlen)
        hop.count(counters, "buried" if features.status == "buried" else "decided")
        if decision.reason == "blob_expired":
            hop.count(counters, "expired_blobs")
        hop.release(k.inflight(features.source_id), credit_member(features.run, features.seq))
        hop.free(decision.free)

    def requested(self, hop: Hop, request: Request, state: DeciderState) -> DeciderState:
        """Adds a request to a generator; returns the state with the request open."""
        k = self._keys
        hop.add(k.requests, request, self._bus.maxlen)
        hop.set(k.open_requests, request.request_id, b"0")  # attempts so far
        hop.count(k.counters(request.source_id), "requests")
        return add_request(state, open_request(request))

    def asked(self, question: Question, request: Request, state: DeciderState) -> tuple[Hop, DeciderState]:
        """The hop that turns a question into a request, once, and the state after it."""
        source_id = request.source_id
        hop = self._first(question).count(self._keys.counters(source_id), "questions")
        after = self.requested(hop, request, state)
        return hop.extend(self.keep_questions(source_id, (open_request(request),))), after

    def refused(self, question: Question, request: Request, refusal: tuple[EndStatus, str], now_s: float) -> Hop:
        """The end (status, cause) of a question that becomes no request; it counts as one that ended at once."""
        status, cause = refusal
        counters = self._keys.counters(request.source_id)
        hop = self._first(question).count(counters, "questions").count(counters, "requests")
        hop.event(self._keys, refused_event(request, cause, now_s, status), self._bus.feedback_maxlen)
        return hop.count(counters, "expired" if status == "expired" else "errors")

    def keep_questions(self, source_id: str, questions: Iterable[OpenRequest]) -> Hop:
        """Saves open questions, each in a field of its own."""
        hop = Hop()
        for question in questions:
            field = question_field(question.request_id)
            hop.set(self._keys.decider_state(source_id), field, question_bytes(question))
        return hop

    def forget_questions(self, source_id: str, questions: Iterable[OpenRequest]) -> Hop:
        """Deletes the fields of questions that have ended."""
        hop = Hop()
        for question in questions:
            hop.delete(self._keys.decider_state(source_id), question_field(question.request_id))
        return hop

    def _first(self, question: Question) -> Hop:
        """Starts a hop that takes a question once, also when a group that was deleted delivers it again."""
        return Hop().first(self._keys.answered(question.source_id), question.question_id, QUESTION_KEPT_S)

    def report_error(self, hop: Hop, features: Features, message: str, now_s: float) -> None:
        """Adds an error event for the viewers of the source."""
        event = ErrorEvent(features.source_id, features.run, STAGE, message, now_s)
        hop.event(self._keys, event, self._bus.feedback_maxlen)

    def ended(self, hop: Hop, features: Features, now_s: float) -> None:
        """Adds the end of the run. A source that failed keeps the state `failed`."""
        k, run = self._keys, self._keys.run(features.source_id)
        event = StateEvent(features.source_id, features.run, "ended", "every chunk is decided", now_s)
        hop.event(k, event, self._bus.feedback_maxlen)
        hop.set(run, "state", "ended", unless="failed").set(run, "done", "1")

    def save(self, hop: Hop, source_id: str, state: DeciderState) -> None:
        """Saves the state in the same step."""
        hop.set(self._keys.decider_state(source_id), STATE_FIELD, state_bytes(state))

    def dropped(self, features: Features, free: Iterable[BlobRef] | None = None) -> Hop:
        """Settles features of an older run, or late ones, without a decision.

        Args:
            features: of the chunk.
            free: its blobs that nothing else reads; None = all of them.
        """
        inflight = self._keys.inflight(features.source_id)
        hop = Hop().release(inflight, credit_member(features.run, features.seq))
        return hop.free(blobs_of((chunk_ref(features),)) if free is None else free)

    def buried(self, features: Features, reason: str, strategy: str, now_s: float) -> Hop:
        """The decision for features that were delivered too often; an end marker is decided in its turn."""
        k, counters = self._keys, self._keys.counters(features.source_id)
        if features.status == "end":
            return Hop()  # earlier chunks may still come; the worker ends the run once they are decided
        event = decision_event(features, "next", 0.0, f"buried: {reason}", strategy, now_s)
        hop = Hop().event(k, event, self._bus.feedback_maxlen)
        hop.count(counters, "buried")
        hop.release(k.inflight(features.source_id), credit_member(features.run, features.seq))
        return hop.free(blobs_of((chunk_ref(features),)))

    def end(
        self, source_id: str, request: OpenRequest, status: EndStatus, cause: str, attempt: int, now_s: float
    ) -> Hop:
        """Ends a request once, unless it has ended or a newer attempt has begun meanwhile."""
        k, i = self._keys, request.request_id
        hop = Hop()
        if status == "expired":
            # A generator that takes the request between our look and this hop raises the attempt: then it goes on.
            hop.expect(k.open_requests, i, str(attempt))
        if request.kind == "question":
            hop.extend(self.forget_questions(source_id, (request,)))
        event = end_event(source_id, request, status, cause, attempt, now_s)
        hop.once(k.open_requests, i).event(k, event, self._bus.feedback_maxlen)
        return hop.count(k.counters(source_id), "expired" if status == "expired" else "cancelled")

    def unanswered(self, question: Question, cause: str, now_s: float) -> Hop:
        """The error and the end of a question that no worker of its source has taken."""
        request_id = question_request_id(question.source_id, question.question_id)
        error = ErrorEvent(question.source_id, "", STAGE, cause, now_s, request_id)
        request = OpenRequest(request_id, "", 0, "question", "feedback", 0.0, question.text, 0.0, ())
        end = end_event(question.source_id, request, "failed", cause, 0, now_s)
        hop = self._first(question).event(self._keys, error, self._bus.feedback_maxlen)
        return hop.event(self._keys, end, self._bus.feedback_maxlen)

    def no_such_source(self, question: Question, now_s: float) -> Hop:
        """The end of a question about an unknown source."""
        cause = f"there is no source {question.source_id!r}, so the question cannot be answered"
        return self.unanswered(question, cause, now_s)

    def forget(self, source_id: str, refs: tuple[BlobRef, ...]) -> Hop:
        """Deletes the state of a removed source."""
        state = self._keys.decider_state(source_id)
        return Hop().delete(state, STATE_FIELD).delete(state, LAST_FEEDBACK_FIELD).free(refs)
