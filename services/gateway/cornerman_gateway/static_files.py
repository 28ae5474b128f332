"""The page's files, in memory: compressed once, and known by their content, so that a browser asks for news only."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
REVALIDATE: Final = "no-cache"
"""Browsers keep a file, and ask each time whether it is still the one; an update of Cornerman is seen at once."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file.

    Attributes:
        etag: made of its content.
    """

    body: bytes
    zipped: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        body = path.read_bytes()
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cls(body, gzip.compress(body, mtime=0), kind, etag)


class StaticFolder:
    """An ASGI app that serves the files of a folder, as they were when it was made."""

    def __init__(self, folder: Path) -> None:
        found = [path for path in folder.rglob("*") if path.is_file()]
        self._files = {path.relative_to(folder).as_posix(): StaticFile.read(path) for path in found}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.respond(Request(scope))(scope, receive, send)

    def respond(self, request: Request) -> Response:
        """The file that is asked for; 304 if the client has it."""
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method Not Allowed", 405, {"Allow": "GET, HEAD"})
        root = request.scope.get("root_path", "")
        file = self._files.get(request.scope["path"].removeprefix(root).lstrip("/"))
        if file is None:
            return PlainTextResponse("Not Found", 404)
        headers = {"ETag": file.etag, "Cache-Control": REVALIDATE, "Vary": "Accept-Encoding"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if file.etag in known or known == ["*"]:
            return Response(status_code=304, headers=headers)
        zips = takes_gzip(request.headers.get("accept-encoding", "")) and len(file.zipped) < len(file.body)
        if zips:
            headers["Content-Encoding"] = "gzip"
        return Response(file.zipped if zips else file.body, media_type=file.media_type, headers=headers)


def takes_gzip(accepted: str) -> bool:
    """Whether a client takes gzip, by its `Accept-Encoding`: `gzip;q=0` refuses it."""
    for each in accepted.lower().split(","):
        name, _, weight = (part.strip() for part in each.partition(";"))
        if name in ("gzip", "x-gzip"):
            return re.fullmatch(r"q\s*=\s*0(\.0*)?", weight) is None
    return False
