"""Hops of the decider: what each kind of outcome writes. Builds them; sends none, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

from cornerman_decider.context import blobs_of
from cornerman_decider.core import Decision, chunk_ref, opened
from cornerman_decider.requests import decision_event, end_event, lost_event, open_request
from cornerman_decider.state import DeciderState, OpenRequest, state_bytes
from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import (
    BlobRef,
    EndStatus,
    ErrorEvent,
    Features,
    Question,
    Request,
    StateEvent,
)
from cornerman_shared.bus.publish import credit_member
from cornerman_shared.bus.streams import Keys, question_request_id
from cornerman_shared.settings.tree import BusSettings

STAGE = "decider"


class DeciderHops:
    """One shard's hops."""

    def __init__(self, keys: Keys, bus: BusSettings) -> None:
        self._keys = keys
        self._bus = bus

    def begin(self, features: Features, gaps: Iterable[int], strategy: str, now_s: float) -> Hop:
        """Nothing happens when capture has begun another run. Chunks that never came are decided first."""
        k, source_id = self._keys, features.source_id
        hop = Hop().expect(k.run(source_id), "run", features.run)
        for seq in gaps:
            hop.event(k, lost_event(features, seq, strategy, now_s), self._bus.feedback_maxlen)
            hop.count(k.counters(source_id), "decided").count(k.counters(source_id), "lost")
            hop.release(k.inflight(source_id), credit_member(features.run, seq))
        return hop

    def decided(self, hop: Hop, features: Features, decision: Decision, strategy: str, now_s: float) -> None:
        """The one decision of a chunk."""
        k, counters = self._keys, self._keys.counters(features.source_id)
        hop.event(k, decision_event(features, decision, strategy, now_s), self._bus.feedback_maxlen)
        hop.count(counters, "buried" if features.status == "buried" else "decided")
        if decision.reason == "blob_expired":
            hop.count(counters, "expired_blobs")
        hop.release(k.inflight(features.source_id), credit_member(features.run, features.seq))
        hop.free(decision.free)

    def requested(self, hop: Hop, request: Request, state: DeciderState) -> DeciderState:
        """An order to a generator; gives the state that remembers it."""
        k = self._keys
        hop.add(k.requests, request, self._bus.maxlen)
        hop.set(k.open_requests, request.request_id, b"0")
        hop.count(k.counters(request.source_id), "requests")
        return opened(state, open_request(request))

    def asked(self, request: Request, state: DeciderState) -> tuple[Hop, DeciderState]:
        """A question becomes a request."""
        hop = Hop().count(self._keys.counters(request.source_id), "questions")
        after = self.requested(hop, request, state)
        self.save(hop, request.source_id, after)
        return hop, after

    def complain(self, hop: Hop, features: Features, message: str, now_s: float) -> None:
        """People are told what is wrong."""
        event = ErrorEvent(features.source_id, features.run, STAGE, message, now_s)
        hop.event(self._keys, event, self._bus.feedback_maxlen)

    def ended(self, hop: Hop, features: Features, now_s: float) -> None:
        """The run is over and every chunk of it decided. That a source failed stays to be read."""
        k, run = self._keys, self._keys.run(features.source_id)
        event = StateEvent(features.source_id, features.run, "ended", "every chunk is decided", now_s)
        hop.event(k, event, self._bus.feedback_maxlen)
        hop.set(run, "state", "ended", unless="failed").set(run, "done", "1")

    def save(self, hop: Hop, source_id: str, state: DeciderState) -> None:
        """The state after the hop."""
        hop.set(self._keys.decider_state(source_id), "state", state_bytes(state))

    def dropped(self, features: Features) -> Hop:
        """Of an older run, late, or twice: nobody needs it any more."""
        inflight = self._keys.inflight(features.source_id)
        hop = Hop().release(inflight, credit_member(features.run, features.seq))
        return hop.free(blobs_of((chunk_ref(features),)))

    def buried(self, features: Features, reason: str, strategy: str, now_s: float) -> Hop:
        """The decision for features that could not be worked on; the end of a run waits for its turn."""
        k, counters = self._keys, self._keys.counters(features.source_id)
        if features.status == "end":
            return Hop()
        decision = Decision("next", 0.0, f"buried: {reason}", False, (), 0.0, (), DeciderState())
        hop = Hop().event(k, decision_event(features, decision, strategy, now_s), self._bus.feedback_maxlen)
        hop.count(counters, "buried")
        hop.release(k.inflight(features.source_id), credit_member(features.run, features.seq))
        return hop.free(blobs_of((chunk_ref(features),)))

    def end(
        self, source_id: str, request: OpenRequest, status: EndStatus, cause: str, attempt: int, now_s: float
    ) -> Hop:
        """The one end of a request, unless it has ended or a newer attempt has begun meanwhile."""
        k, i = self._keys, request.request_id
        hop = Hop()
        if status == "expired":
            hop.expect(k.open_requests, i, str(attempt))
        event = end_event(source_id, request, status, cause, attempt, now_s)
        hop.once(k.open_requests, i).event(k, event, self._bus.feedback_maxlen)
        return hop.count(k.counters(source_id), "expired" if status == "expired" else "cancelled")

    def no_such_source(self, question: Question, now_s: float) -> Hop:
        """A question that nobody can answer is an error that the asker sees."""
        message = f"there is no source {question.source_id!r}, so the question cannot be answered"
        request_id = question_request_id(question.source_id, question.question_id)
        event = ErrorEvent(question.source_id, "", STAGE, message, now_s, request_id)
        return Hop().event(self._keys, event, self._bus.feedback_maxlen)

    def forget(self, source_id: str, refs: tuple[BlobRef, ...]) -> Hop:
        """A removed source keeps no memory here."""
        state = self._keys.decider_state(source_id)
        return Hop().delete(state, "state").delete(state, "said").free(refs)
