"""`/api/uploads`: a video file, streamed to disk."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from cornerman_gateway.app_state import StateDep
from cornerman_gateway.problems import Problem, wrong_field
from cornerman_gateway.schemas import UploadView

router = APIRouter(prefix="/api/uploads", tags=["sources"])

BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", status_code=201, openapi_extra=BODY)
async def upload(
    request: Request,
    state: StateDep,
    name: Annotated[str, Query(min_length=1, max_length=255, description="the file's name")],
) -> UploadView:
    """Takes a video as the body of the request; use the `url` of the answer to add a source."""
    if not state.addresses.allow_files or "file" not in state.addresses.schemes:
        raise Problem(403, "file sources are switched off", "see capture.allow_files and gateway.schemes")
    length = request.headers.get("content-length")
    if length is not None and not length.isdigit():
        raise wrong_field("Content-Length", f"Content-Length {length!r} is not a number")
    done = await state.uploads.take(name, request.stream(), int(length) if length else None)
    return UploadView(url=str(done.path.resolve()), size_bytes=done.size_bytes)
