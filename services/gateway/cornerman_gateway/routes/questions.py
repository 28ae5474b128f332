"""`/api/sources/{id}/questions`: ask about what is on screen now. The answer streams like feedback."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from cornerman_gateway.app_state import TheRoom
from cornerman_gateway.routes.sources import Id, find
from cornerman_gateway.schemas import QuestionNew, QuestionView
from cornerman_shared.bus.messages import Question
from cornerman_shared.bus.streams import question_request_id

router = APIRouter(prefix="/api/sources/{source_id}", tags=["questions"])


@router.post("/questions", status_code=202)
async def ask(source_id: Id, body: QuestionNew, room: TheRoom) -> QuestionView:
    """Hands the question to the decider; follow the source's events for the answer."""
    await find(room, source_id)
    question = Question(uuid.uuid4().hex, source_id, body.text.strip(), room.bus.clock.now_s())
    await room.bus.ask(question)
    return QuestionView(
        question_id=question.question_id,
        request_id=question_request_id(source_id, question.question_id),
        asked_at_s=question.asked_at_s,
    )
