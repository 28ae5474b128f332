"""`/api/sources`: list, add, change, pause, resume, remove."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from cornerman_common.running_models import check_change
from cornerman_gateway.addresses import check_name_again, check_url
from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.choices import check_choices
from cornerman_gateway.lookup import Id, find, view
from cornerman_gateway.problems import Problem, no_source, wrong_field
from cornerman_gateway.schemas import SourceChange, SourceList, SourceNew, SourceView, changed_fields
from cornerman_shared.bus.registry import (
    add_source,
    changed,
    get_source,
    is_registered,
    list_sources,
    remove_source,
    update_source,
)
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import ConfigError, MalformedError
from cornerman_shared.settings.overrides import merge
from cornerman_shared.settings.source import SourceSpec

router = APIRouter(prefix="/api", tags=["sources"])


@router.get("/sources")
async def list_all(state: StateDep) -> SourceList:
    """Every source, its settings, run and counters."""
    specs = await list_sources(state.bus)
    files = await asyncio.to_thread(state.profiles.everything)
    return SourceList(sources=[await view(state, spec, files) for spec in specs.values()])


@router.post("/sources", status_code=201)
async def add(body: SourceNew, state: StateDep, response: Response) -> SourceView:
    """Starts watching."""
    wanted = await _wanted(state, body)
    check_choices(wanted, state.settings)
    wanted["url"] = await check_url(body.url, body.source_id, state.addresses)
    settings = state.settings
    fresh = SourceSpec(
        source_id=body.source_id, url=wanted["url"], watch=settings.watch, speak=settings.speak, say=settings.say
    )
    spec = changed(fresh, wanted).model_copy(update={"revision": 0})
    check_change(fresh, wanted, settings, await list_workers(state.bus))
    if await is_registered(state.bus, body.source_id):
        raise Problem(
            409, "source_id is taken", f"source_id {body.source_id!r} is being watched; choose another, or remove it"
        )
    await add_source(state.bus, spec)
    response.headers["Location"] = f"/api/sources/{spec.source_id}"
    return await view(state, spec)


@router.get("/sources/{source_id}")
async def get(source_id: Id, state: StateDep) -> SourceView:
    """One source."""
    return await view(state, await find(state, source_id))


@router.patch("/sources/{source_id}")
async def change(source_id: Id, body: SourceChange, state: StateDep) -> SourceView:
    """Changes settings while the source runs; they apply within a second."""
    before = await find(state, source_id)
    wanted = await _wanted(state, body)
    check_choices(wanted, state.settings, before)
    if "url" in wanted:
        wanted["url"] = await check_url(wanted["url"], source_id, state.addresses)
    elif wanted.get("paused") is False or "watch" in wanted:
        await check_name_again(before.url, state.addresses)
    check_change(before, wanted, state.settings, await list_workers(state.bus))
    after = await update_source(state.bus, source_id, wanted)
    if after.url != before.url:
        await _drop_upload(state, before)
    return await view(state, after)


@router.post("/sources/{source_id}/pause")
async def pause(source_id: Id, state: StateDep) -> SourceView:
    """Stops watching for a while; settings and history stay."""
    await find(state, source_id)
    return await view(state, await update_source(state.bus, source_id, {"paused": True}))


@router.post("/sources/{source_id}/resume")
async def resume(source_id: Id, state: StateDep) -> SourceView:
    """Goes on."""
    await check_name_again((await find(state, source_id)).url, state.addresses)
    return await view(state, await update_source(state.bus, source_id, {"paused": False}))


@router.delete("/sources/{source_id}", status_code=204)
async def remove(source_id: Id, state: StateDep) -> None:
    """Stops watching, and forgets the source. An uploaded file goes with it."""
    try:
        spec = await get_source(state.bus, source_id)
    except MalformedError:
        spec = None  # it can be removed all the same; its upload goes when it is old
    if not await remove_source(state.bus, source_id):
        raise no_source(source_id)
    state.previews.forget(source_id)
    if spec is not None:
        await _drop_upload(state, spec)


async def _wanted(state: AppState, body: SourceNew | SourceChange) -> dict[str, Any]:
    """The changes that the client asks for: those of the profile and the preset, then its own fields.

    Raises:
        Problem: 422: there is no such profile or preset, or its file is wrong.
    """
    own = changed_fields(body)
    names = {field: str(own.pop(field, "")) for field in ("profile", "preset")}
    saved: dict[str, Any] = {}
    for field, name in names.items():
        try:
            changes = await asyncio.to_thread(state.profiles.changes, **{"profile": "", "preset": "", field: name})
        except ConfigError as error:
            raise wrong_field(field, str(error)) from None
        saved = merge(saved, changes)
    return merge(saved, own)


async def _drop_upload(state: AppState, spec: SourceSpec) -> None:
    others = await list_sources(state.bus)
    if not any(other.url == spec.url and other.source_id != spec.source_id for other in others.values()):
        await asyncio.to_thread(state.uploads.remove, spec.url)
