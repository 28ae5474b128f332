"""`/api/phone`: how a phone opens this page with its camera, in words and as a QR code."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.phone import PhoneWay, phone_way, qr_svg, served_certificate
from cornerman_gateway.problems import Problem
from cornerman_gateway.tls import lan_address
from cornerman_shared.process.run_dir import runtime_dir

router = APIRouter(prefix="/api", tags=["sources"])


class PhoneView(BaseModel):
    """The way for a phone."""

    url: Annotated[str, Field(description="of the page with its camera; empty = a phone cannot use this server")]
    advice: Annotated[str, Field(description="what to know, in words")]
    command: Annotated[str, Field(description="starts a server that a phone can use; empty = this one is")]
    fingerprint: Annotated[str, Field(description="SHA-256 of a self-signed certificate; else empty")]
    token_needed: Annotated[bool, Field(description="the phone is asked for the token once")]


async def _way(state: AppState, request: Request) -> PhoneWay:
    web = state.settings.gateway
    folder = runtime_dir(state.settings.runtime.dir)
    return phone_way(
        scheme=request.url.scheme,
        host=request.url.hostname or "",
        port=request.url.port,
        listens=web.host,
        lan=lan_address(),
        tls_cert=web.tls_cert,
        pem=await asyncio.to_thread(served_certificate, folder, web.tls_cert),
    )


@router.get("/phone")
async def phone(state: StateDep, request: Request) -> PhoneView:
    """The address for a phone's camera, and what its browser will say."""
    way = await _way(state, request)
    return PhoneView(
        url=way.url,
        advice=way.advice,
        command=way.command,
        fingerprint=way.fingerprint,
        token_needed=state.auth.needed,
    )


@router.get(
    "/phone.svg",
    responses={200: {"content": {"image/svg+xml": {}}, "description": "a QR code of the address"}},
    response_class=Response,
)
async def phone_code(state: StateDep, request: Request) -> Response:
    """The address for a phone's camera, to be photographed."""
    way = await _way(state, request)
    if not way.url:
        raise Problem(404, "a phone cannot use this server", f"{way.advice} {way.command}")
    return Response(qr_svg(way.url), media_type="image/svg+xml")
