"""`/api/sources/{id}/whip`: a camera over WebRTC, as RFC 9725 has it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cornerman_gateway.app_state import StateDep
from cornerman_gateway.lookup import Id, find
from cornerman_gateway.problems import Problem, wrong_field

router = APIRouter(prefix="/api/sources/{source_id}/whip", tags=["video"])

SDP = "application/sdp"
BODY = {"requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}}}


@router.post(
    "",
    status_code=201,
    response_class=Response,
    responses={201: {"content": {SDP: {}}, "description": "the answer; end it with DELETE at `Location`"}},
    openapi_extra=BODY,
)
async def offer(source_id: Id, request: Request, state: StateDep) -> Response:
    """Takes an SDP offer of video for a source whose url is `push://<source_id>`."""
    spec = await find(state, source_id)
    if spec.url != f"push://{source_id}":
        raise Problem(409, "this source takes no camera", "add a source whose url is push://<source_id>")
    if request.headers.get("content-type", "").partition(";")[0].strip() != SDP:
        raise Problem(415, "not an SDP body", f"send the offer as Content-Type: {SDP}")
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError:
        raise wrong_field("sdp", "the offer is not UTF-8 text") from None
    session_id, answer = await state.whip.offer(source_id, text)
    headers = {"Location": f"/api/sources/{source_id}/whip/{session_id}"}
    return Response(answer, 201, headers, SDP)


@router.delete("/{session_id}", status_code=200)
async def end(
    source_id: Id, session_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")], state: StateDep
) -> None:
    """Ends the session."""
    session = state.whip.sessions.get(session_id)
    if session is None or session.source_id != source_id:
        raise Problem(404, "there is no such session", f"session {session_id!r} has ended, or never was")
    await state.whip.end(session_id)
