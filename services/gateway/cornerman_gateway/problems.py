"""Errors as RFC 9457 problem details: what happened, which field, what to do. Never carries credentials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cornerman_shared.errors import ConfigError, CornermanError, RetryableError
from cornerman_shared.process.logs import get_logger
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

log = get_logger("gateway")

MEDIA_TYPE = "application/problem+json"


MOST_FIELDS: Final = 20
"""Wrong fields that an answer names: a body of 256 KiB can have tens of thousands, and each costs time."""
MAX_FIELD: Final = 200


class FieldProblem(BaseModel):
    """One wrong field."""

    field: Annotated[str, Field(description="where, as a dotted name")]
    message: Annotated[str, Field(description="the fault of the value, and the allowed values")]


class ProblemDetails(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: Annotated[str, Field(description="what happened")]
    status: int
    detail: Annotated[str, Field(description="the offending value, and what to do")] = ""
    errors: list[FieldProblem] = []


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """Raised by routes; becomes the answer."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        errors: list[FieldProblem] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.body = ProblemDetails(
            title=title, status=status, detail=clean_text(redact_url(detail)), errors=errors or []
        )
        self.headers = headers or {}

    def response(self) -> Response:
        return JSONResponse(self.body.model_dump(), self.body.status, headers=self.headers, media_type=MEDIA_TYPE)


def no_source(source_id: str) -> Problem:
    """404 for a source that is not there."""
    return Problem(
        404,
        "there is no such source",
        f"source_id {source_id!r} is not being watched; GET /api/sources lists those that are",
    )


def wrong_field(field: str, message: str) -> Problem:
    """422 that names one field."""
    message = clean_text(redact_url(message))
    return Problem(422, f"{field} is not usable", message, errors=[FieldProblem(field=field, message=message)])


def from_config(error: ConfigError) -> Problem:
    """Builds a 422 from messages of the settings tree, one `field = value: allowed values` a line."""
    lines = [line for line in redact_url(str(error)).splitlines() if line]
    errors = [FieldProblem(field=line.partition(" ")[0].rstrip(":"), message=line) for line in lines]
    return Problem(422, "a value is not allowed", "; ".join(lines), errors=errors)


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDetails, "description": text, "content": {MEDIA_TYPE: {}}}
    for status, text in {
        400: "The request cannot be read.",
        401: "Log in, or send the token.",
        403: "Refused.",
        404: "Not found.",
        405: "Not this method.",
        409: "It is not possible in the present state.",
        411: "Send Content-Length.",
        413: "Too large.",
        415: "Not this media type.",
        422: "A field is not usable.",
        429: "Too many requests.",
        501: "It is not installed here.",
        503: "The server behind is not reachable; try again.",
        507: "No room on disk.",
    }.items()
}


def methods_of(app: FastAPI, path: str) -> list[str]:
    """Every method that this address knows, whichever route it is at."""
    found: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found |= {method.upper() for method in operations}
    return sorted(found)


def _field_name(loc: Sequence[object]) -> str:
    """Dotted; the client chose the names of unknown fields, which may be any text."""
    dotted = ".".join(str(part)[: 2 * MAX_FIELD] for part in loc if part not in ("body", "query", "path"))
    return clean_text(dotted, MAX_FIELD) or "body"


def install(app: FastAPI) -> None:
    """Every error leaves the app as a problem."""

    async def problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        remedy = {404: "see /docs for the addresses there are", 405: "see /docs for the methods of this address"}
        answer = Problem(error.status_code, str(error.detail), remedy.get(error.status_code, ""))
        answer.headers = dict(error.headers or {})
        if error.status_code == 405:
            answer.headers["Allow"] = ", ".join(methods_of(app, request.url.path)) or answer.headers.get("Allow", "GET")
        return answer.response()

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        items = error.errors()
        fields = [
            FieldProblem(field=_field_name(item["loc"]), message=clean_text(redact_url(str(item["msg"]))))
            for item in items[:MOST_FIELDS]
        ]
        more = f"; and {len(items) - MOST_FIELDS} more" if len(items) > MOST_FIELDS else ""
        detail = "; ".join(f"{item.field}: {item.message}" for item in fields) + more
        return Problem(422, "a field is not usable", detail, errors=fields).response()

    async def ours(_request: Request, error: Exception) -> Response:
        if isinstance(error, ConfigError):
            return from_config(error).response()
        if isinstance(error, RetryableError):
            return Problem(
                503, "the server behind is not reachable", str(error), headers={"Retry-After": "1"}
            ).response()
        log.error("request_failed", message=str(error), exc_info=error)
        return Problem(500, "this failed here", str(error)).response()

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(CornermanError, ours)
