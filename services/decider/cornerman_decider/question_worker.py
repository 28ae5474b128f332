"""Questions about one source: each becomes a request, or ends at once as refused or expired."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cornerman_decider.hops import QUESTION_KEPT_S, DeciderHops
from cornerman_decider.requests import request_for_question
from cornerman_decider.state import question_context
from cornerman_shared.bus.commit import commit_with_retry, give_up, retry_forever
from cornerman_shared.bus.hop import Hop, HopResult

if TYPE_CHECKING:
    from cornerman_decider.state import DeciderState
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.messages import EndStatus, Question
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import DeciderSettings

IN_A_ROW = 8
"""Questions taken before chunks have their turn."""


class QuestionWorker:
    """Takes the questions of one source in order.

    Args:
        bus: an open bus.
        hops: of the source's shard.

    Attributes:
        waiting: questions not taken yet; the first one is in work while `take_first` runs.
    """

    def __init__(self, bus: Bus, hops: DeciderHops) -> None:
        self.waiting: deque[Delivery[Question]] = deque()  # bounded by the consumer's slots
        self._bus = bus
        self._hops = hops

    def in_turn(self) -> int:
        """How many questions to take before chunks have their turn."""
        return min(len(self.waiting), IN_A_ROW)

    async def take_first(self, state: DeciderState, spec: SourceSpec) -> DeciderState | None:
        """Takes the first question; returns the state after it, or None if only the server knows that."""
        question = self.waiting[0]
        after = await self._take(question, state, spec)
        self.waiting.popleft()
        return after

    async def _take(self, question: Delivery[Question], state: DeciderState, spec: SourceSpec) -> DeciderState | None:
        now_s, settings = self._bus.clock.now_s(), self._bus.settings.decider
        asked_s = min(asked_at_s(question.entry_id), now_s)
        if now_s - asked_s > QUESTION_KEPT_S:
            # Delivered again long after its end by a group that was deleted, or nobody waits for it any more.
            await commit_with_retry(question, Hop())
            return state
        chunks, deadline_at_s = question_context(state), asked_s + settings.question_s
        request = request_for_question(question.message, state, chunks, spec.say, now_s, deadline_at_s)
        refused = refusal(state, asked_s, now_s, settings)
        if refused:
            await commit_with_retry(question, self._hops.refused(question.message, request, refused, now_s))
            return state
        await retry_forever(question.begin)
        hop, after = self._hops.asked(question.message, request, state)
        # Otherwise an earlier try may have been written.
        return after if await commit_with_retry(question, hop) is HopResult.DONE else None

    async def give_up_first(self, reason: str) -> None:
        """Ends the first question as failed."""
        question = self.waiting[0]
        cause = f"the question could not be taken: {reason}"
        await give_up(question, reason, self._hops.unanswered(question.message, cause, self._bus.clock.now_s()))
        self.waiting.popleft()


def asked_at_s(entry_id: str) -> float:
    """When a question was added to its stream, unix seconds of the server: an entry id begins with it."""
    return int(entry_id.partition("-")[0]) / 1000


def refusal(
    state: DeciderState, asked_s: float, now_s: float, settings: DeciderSettings
) -> tuple[EndStatus, str] | None:
    """Status and cause of the end of a question that gets no answer, or None.

    Args:
        state: of its source.
        asked_s: when it was asked, unix seconds.
        now_s: unix seconds.
        settings: the limits.
    """
    if now_s - asked_s > settings.question_s:
        return "expired", f"no decider read it within decider.question_s = {settings.question_s:g} s"
    waiting = sum(request.kind == "question" for request in state.open)
    if waiting >= settings.max_questions:
        cause = f"{waiting} questions about this source wait already; decider.max_questions = {settings.max_questions}"
        return "failed", f"{cause}. Ask again once they are answered."
    return None
