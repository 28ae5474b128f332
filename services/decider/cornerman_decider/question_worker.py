"""Questions about one source: each becomes a request, or ends at once as refused or expired."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cornerman_decider.hops import DeciderHops
from cornerman_decider.requests import refusal, request_for_question
from cornerman_decider.state import question_context
from cornerman_shared.bus.commit import commit_with_retry, give_up, retry_forever
from cornerman_shared.bus.hop import Hop, HopResult
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.process.logs import about

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
        with about(question.message):
            result, after = await self._take(question, state, spec)
        if result is not HopResult.SUPERSEDED:  # else it is asked again, of the source that is there now
            self.waiting.popleft()
        # Otherwise an earlier try may have been written.
        return after if result is HopResult.DONE else None

    async def refuse_first(self) -> None:
        """Ends the first question, because its source is not registered any more."""
        question = self.waiting[0]
        await self._settle(question, self._hops.no_such_source(question.message, self._bus.clock.now_s()))
        self.waiting.popleft()

    async def _take(
        self, question: Delivery[Question], state: DeciderState, spec: SourceSpec
    ) -> tuple[HopResult, DeciderState]:
        now_s, settings = self._bus.clock.now_s(), self._bus.settings.decider
        waited_s = await retry_forever(lambda: self._waited_s(question.entry_id))
        chunks, deadline_at_s = question_context(state), now_s + max(0.001, settings.question_s - waited_s)
        request = request_for_question(question.message, state, chunks, spec.say, now_s, deadline_at_s)
        refused = limit_refusal(state, waited_s, settings)
        if refused is None:
            capture_state, detail = await self._capture_state(question.message.source_id)
            reason = refusal(request, spec, state.ended, capture_state, detail)
            refused = ("failed", reason) if reason else None
        if refused:
            question.note({"cornerman.status": refused[0]}, refused[1])
            await self._settle(question, self._hops.refused(question.message, request, refused, now_s))
            return HopResult.DONE, state
        await retry_forever(question.begin)
        hop, after = self._hops.asked(question.message, request, state)
        return await self._settle(question, hop), after

    async def _settle(self, question: Delivery[Question], hop: Hop) -> HopResult:
        """Commits the hop and deletes the entry: a group that is created again must not deliver it again."""
        return await commit_with_retry(question, Hop().erase(question.stream, question.entry_id).extend(hop))

    async def _waited_s(self, entry_id: str) -> float:
        """Seconds since a question was added to its stream: an entry id begins with the server's time in ms."""
        with redis_errors():
            seconds, microseconds = await self._bus.redis.time()
        return float(seconds + microseconds / 1e6 - int(entry_id.partition("-")[0]) / 1000)

    async def _capture_state(self, source_id: str) -> tuple[str, str]:
        """State of the source as capture reported it last, and its reason."""

        async def read() -> list[bytes | None]:
            with redis_errors():
                rows: list[bytes | None] = await self._bus.redis.hmget(
                    self._bus.keys(source_id).run(source_id), ["state", "detail"]
                )
            return rows

        state, detail = ("" if row is None else row.decode(errors="replace") for row in await retry_forever(read))
        return state, detail

    async def give_up_first(self, reason: str) -> None:
        """Ends the first question as failed."""
        question = self.waiting[0]
        cause = f"the question could not be taken: {reason}"
        unanswered = self._hops.unanswered(question.message, cause, self._bus.clock.now_s())
        await give_up(question, reason, Hop().erase(question.stream, question.entry_id).extend(unanswered))
        self.waiting.popleft()


def limit_refusal(state: DeciderState, waited_s: float, settings: DeciderSettings) -> tuple[EndStatus, str] | None:
    """Status and cause of the end of a question that gets no answer, or None.

    Args:
        state: of its source.
        waited_s: seconds since it was asked.
        settings: the limits.
    """
    if waited_s > settings.question_s:
        return "expired", f"no decider read it within decider.question_s = {settings.question_s:g} s"
    waiting = sum(request.kind == "question" for request in state.open)
    if waiting >= settings.max_questions:
        cause = f"{waiting} questions about this source wait already; decider.max_questions = {settings.max_questions}"
        return "failed", f"{cause}. Ask again once they are answered."
    return None
