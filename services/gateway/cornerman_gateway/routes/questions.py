"""`/api/sources/{id}/questions`: ask about the current picture. The answer streams like feedback."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Header

from cornerman_gateway.app_state import StateDep
from cornerman_gateway.lookup import Id, find
from cornerman_gateway.problems import Problem
from cornerman_gateway.schemas import QuestionNew, QuestionView
from cornerman_shared.bus.messages import Question
from cornerman_shared.bus.streams import question_request_id

TraceParent = Annotated[str, Header(description="W3C trace context that the work on the question continues")]

router = APIRouter(prefix="/api/sources/{source_id}", tags=["questions"])


@router.post("/questions", status_code=202)
async def ask(source_id: Id, body: QuestionNew, state: StateDep, traceparent: TraceParent = "") -> QuestionView:
    """Hands the question to the decider; follow the source's events for the answer, or for an end that says why not."""
    await find(state, source_id)
    limits = state.settings.decider
    # Without tracing the header stays here: nothing unchecked goes on the bus.
    parent = traceparent if state.bus.tracer else ""
    question = Question(uuid.uuid4().hex, source_id, body.text.strip(), state.bus.clock.now_s(), parent)
    if waiting := await state.bus.ask(question, limits.max_questions):
        raise Problem(
            429,
            "too many questions wait",
            f"{waiting} questions about {source_id!r} are unanswered; ask again once they are answered "
            f"(decider.max_questions = {limits.max_questions})",
            headers={"Retry-After": "5"},
        )
    return QuestionView(
        question_id=question.question_id,
        request_id=question_request_id(source_id, question.question_id),
        asked_at_s=question.asked_at_s,
        expires_in_s=limits.question_s,
    )
