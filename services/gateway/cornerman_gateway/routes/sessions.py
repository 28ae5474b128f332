"""Transcripts, the session report and the summary, made from the events that the feedback stream still holds."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.lookup import Id, find, view
from cornerman_gateway.session_report import SessionReport, make_report, to_html
from cornerman_gateway.session_summary import make_summary
from cornerman_gateway.stills import still
from cornerman_gateway.summary_fields import SessionSummary
from cornerman_gateway.summary_page import summary_html, summary_times
from cornerman_gateway.transcript import lines, to_jsonl, to_vtt
from cornerman_shared.bus.messages import Event

router = APIRouter(prefix="/api/sources/{source_id}", tags=["session"])

RunId = Annotated[
    str, Query(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$", description="left out = the run that is on, or was last")
]


async def _run(state: AppState, source_id: str, wanted: str, rows: list[tuple[str, Event]]) -> str:
    if wanted:
        return wanted
    source = await view(state, await find(state, source_id))
    return source.run.run if source.run else (rows[-1][1].run if rows else "")


def _download(body: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=media_type, headers=headers)


@router.get("/transcript.vtt", response_class=Response, responses={200: {"content": {"text/vtt": {}}}})
async def vtt(source_id: Id, state: StateDep, run: RunId = "") -> Response:
    """The transcript as subtitles."""
    await find(state, source_id)
    rows = await state.hub.history(source_id)
    chosen = await _run(state, source_id, run, rows)
    body = to_vtt(lines(rows, chosen), f"Cornerman: {source_id}, run {chosen}")
    return _download(body, "text/vtt; charset=utf-8", f"{source_id}.vtt")


@router.get("/transcript.jsonl", response_class=Response, responses={200: {"content": {"application/x-ndjson": {}}}})
async def jsonl(source_id: Id, state: StateDep, run: RunId = "") -> Response:
    """The transcript, one JSON object a line, with times and latencies."""
    await find(state, source_id)
    rows = await state.hub.history(source_id)
    body = to_jsonl(lines(rows, await _run(state, source_id, run, rows)))
    return _download(body, "application/x-ndjson", f"{source_id}.jsonl")


@router.get("/report")
async def report(source_id: Id, state: StateDep, run: RunId = "") -> SessionReport:
    """The session in numbers."""
    source = await view(state, await find(state, source_id))
    rows = await state.hub.history(source_id)
    chosen = await _run(state, source_id, run, rows)
    return make_report(source_id, chosen, rows, source.counters, state.bus.clock.now_s())


@router.get("/report.html", response_class=Response, responses={200: {"content": {"text/html": {}}}})
async def report_page(source_id: Id, state: StateDep, run: RunId = "") -> Response:
    """The session as one page to keep."""
    source = await view(state, await find(state, source_id))
    rows = await state.hub.history(source_id)
    chosen = await _run(state, source_id, run, rows)
    made = make_report(source_id, chosen, rows, source.counters, state.bus.clock.now_s())
    return _download(to_html(made, rows), "text/html; charset=utf-8", f"{source_id}-report.html")


MOST_STILLS = 12


@router.get("/summary")
async def summary(source_id: Id, state: StateDep, run: RunId = "") -> SessionSummary:
    """What the person did: sets, repetitions, mistakes, best and worst moment, what to work on."""
    await find(state, source_id)
    rows = await state.hub.history(source_id)
    return make_summary(source_id, await _run(state, source_id, run, rows), rows)


@router.get("/summary.html", response_class=Response, responses={200: {"content": {"text/html": {}}}})
async def summary_page(source_id: Id, state: StateDep, run: RunId = "") -> Response:
    """The summary as a page to print, with the pictures that are still kept."""
    made = await summary(source_id, state, run)
    stills: dict[float, str] = {}
    for pts_s in summary_times(made)[:MOST_STILLS]:
        kept = state.previews.at(source_id, made.run, pts_s)
        jpeg = kept.jpeg if kept is not None else await still(state.bus, source_id, made.run, pts_s)
        if jpeg is not None:
            stills[pts_s] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return Response(summary_html(made, stills), media_type="text/html; charset=utf-8")
