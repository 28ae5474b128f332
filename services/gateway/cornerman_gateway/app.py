"""The ASGI app: routes, errors, static files, and the guard round them. Starts nothing."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute

from cornerman_gateway import problems
from cornerman_gateway.app_state import AppState
from cornerman_gateway.routes import (
    auth,
    events,
    exercises,
    health,
    models,
    pages,
    people,
    phone,
    profiles,
    questions,
    recordings,
    sessions,
    sources,
    uploads,
    video,
    whip,
)
from cornerman_gateway.security import Guard
from cornerman_gateway.static_files import StaticFolder

ROUTERS = (
    *(sources, profiles, exercises, recordings, events, video, people, phone, whip),
    *(questions, models, sessions, uploads, auth, health, pages),
)
ABOUT = (
    "Sources, events, pictures and questions of Cornerman. Events stream from `/api/sources/{source_id}/events` as "
    "server-sent events; `Last-Event-ID` resumes. Errors are RFC 9457 problem details. "
    "Where a token is set, send it as a bearer token."
)


def _name(route: APIRoute) -> str:
    """Short operation ids: `sources_list_all`."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"


def create_app(state: AppState) -> FastAPI:
    """The app of one gateway."""
    app = FastAPI(
        title="Cornerman",
        version=version("cornerman"),
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        responses=problems.RESPONSES,
        generate_unique_id_function=_name,
    )
    app.state.gateway = state
    problems.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    app.mount("/static", StaticFolder(pages.STATIC), name="static")
    app.add_middleware(Guard, auth=state.auth, settings=state.settings.gateway, clock=state.bus.clock)
    return app
