"""The page itself, its login and the reference of the API. Everything comes from this server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import FileResponse

router = APIRouter(include_in_schema=False)

STATIC: Final = Path(__file__).parent.parent / "static"


@router.get("/")
async def index() -> FileResponse:
    return FileResponse(STATIC / "index.html")


@router.get("/login")
async def login(next: Annotated[str, Query(max_length=512)] = "/") -> FileResponse:
    return FileResponse(STATIC / "login.html")


@router.get("/docs")
async def docs() -> FileResponse:
    return FileResponse(STATIC / "docs.html")


@router.get("/favicon.ico")
@router.get("/favicon.svg")
async def icon() -> FileResponse:
    return FileResponse(STATIC / "icon.svg")
