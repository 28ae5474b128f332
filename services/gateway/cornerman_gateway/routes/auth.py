"""`/api/session`: the token for a cookie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from cornerman_gateway.app_state import StateDep
from cornerman_gateway.problems import Problem
from cornerman_gateway.schemas import RequestModel, with_examples
from cornerman_gateway.security import COOKIE, SESSION_S

router = APIRouter(prefix="/api/session", tags=["login"])


class Login(RequestModel):
    """Body of the login page's form."""

    model_config = with_examples({"token": "the server's token"})

    token: Annotated[str, Field(min_length=1, max_length=1024)]


class SessionView(BaseModel):
    """Is a token needed here, and does this client have it?"""

    needed: bool
    admitted: bool


@router.get("")
async def look(request: Request, state: StateDep) -> SessionView:
    """Says whether to show the login page."""
    return SessionView(needed=state.auth.needed, admitted=state.auth.admits(request.headers))


@router.post("", status_code=204)
async def login(body: Login, state: StateDep, response: Response, request: Request) -> None:
    """Gives the cookie."""
    if not state.auth.needed:
        return
    if not state.auth.is_token(body.token):
        raise Problem(
            401,
            "this is not the token",
            "it is in the settings of the server: gateway.token, or CORNERMAN_GATEWAY__TOKEN",
        )
    secure = request.url.scheme == "https"
    response.set_cookie(
        COOKIE, state.auth.new_session(), max_age=SESSION_S, httponly=True, samesite="strict", secure=secure
    )


@router.delete("", status_code=204)
async def logout(response: Response) -> None:
    """Takes it back."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
