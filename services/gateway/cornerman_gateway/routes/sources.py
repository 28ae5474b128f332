"""`/api/sources`: list, add, change, pause, resume, remove; prompt profiles."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from cornerman_gateway.addresses import check_name_again, check_url
from cornerman_gateway.app_state import AppState, TheRoom
from cornerman_gateway.problems import Problem, no_source
from cornerman_gateway.profiles import PROFILES, Profile
from cornerman_gateway.schemas import SourceChange, SourceList, SourceNew, SourceView, changed_fields, view_of
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import add_source, changed, get_source, list_sources, remove_source, update_source
from cornerman_shared.settings.source import SOURCE_ID, SourceSpec

router = APIRouter(prefix="/api", tags=["sources"])

Id = Annotated[str, Path(pattern=f"^{SOURCE_ID.pattern}$", description="the source's name", examples=["demo"])]


class ProfileList(BaseModel):
    """The prompt profiles there are."""

    profiles: list[Profile]


async def find(room: AppState, source_id: str) -> SourceSpec:
    """The source's settings.

    Raises:
        Problem: 404.
    """
    spec = await get_source(room.bus, source_id)
    if spec is None:
        raise no_source(source_id)
    return spec


async def view(room: AppState, spec: SourceSpec) -> SourceView:
    """The source with its run and counters."""
    keys = room.bus.keys(spec.source_id)
    with redis_errors():
        async with room.bus.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.run(spec.source_id))
            pipe.hgetall(keys.counters(spec.source_id))
            run, counters = await pipe.execute()
    text = {key.decode(): value.decode(errors="replace") for key, value in run.items()}
    return view_of(spec, text, {key.decode(): int(value) for key, value in counters.items()})


@router.get("/sources")
async def list_all(room: TheRoom) -> SourceList:
    """Every source, its settings, run and counters."""
    specs = await list_sources(room.bus)
    return SourceList(sources=[await view(room, spec) for spec in specs.values()])


@router.post("/sources", status_code=201)
async def add(body: SourceNew, room: TheRoom, response: Response) -> SourceView:
    """Starts watching."""
    wanted = changed_fields(body)
    wanted["url"] = await check_url(body.url, body.source_id, room.addresses)
    settings = room.settings
    fresh = SourceSpec(
        source_id=body.source_id, url=wanted["url"], watch=settings.watch, speak=settings.speak, say=settings.say
    )
    spec = changed(fresh, wanted).model_copy(update={"revision": 0})
    if await get_source(room.bus, body.source_id) is not None:
        raise Problem(
            409, "source_id is taken", f"source_id {body.source_id!r} is being watched; choose another, or remove it"
        )
    await add_source(room.bus, spec)
    response.headers["Location"] = f"/api/sources/{spec.source_id}"
    return await view(room, spec)


@router.get("/sources/{source_id}")
async def get(source_id: Id, room: TheRoom) -> SourceView:
    """One source."""
    return await view(room, await find(room, source_id))


@router.patch("/sources/{source_id}")
async def change(source_id: Id, body: SourceChange, room: TheRoom) -> SourceView:
    """Changes settings while the source runs; they apply within a second."""
    before = await find(room, source_id)
    wanted = changed_fields(body)
    if "url" in wanted:
        wanted["url"] = await check_url(wanted["url"], source_id, room.addresses)
    elif wanted.get("paused") is False or "watch" in wanted:
        await check_name_again(before.url, room.addresses)
    after = await update_source(room.bus, source_id, wanted)
    if after.url != before.url:
        await _drop_upload(room, before)
    return await view(room, after)


@router.post("/sources/{source_id}/pause")
async def pause(source_id: Id, room: TheRoom) -> SourceView:
    """Stops watching for a while; settings and history stay."""
    await find(room, source_id)
    return await view(room, await update_source(room.bus, source_id, {"paused": True}))


@router.post("/sources/{source_id}/resume")
async def resume(source_id: Id, room: TheRoom) -> SourceView:
    """Goes on."""
    await check_name_again((await find(room, source_id)).url, room.addresses)
    return await view(room, await update_source(room.bus, source_id, {"paused": False}))


@router.delete("/sources/{source_id}", status_code=204)
async def remove(source_id: Id, room: TheRoom) -> None:
    """Stops watching, and forgets the source. An uploaded file goes with it."""
    spec = await find(room, source_id)
    await remove_source(room.bus, source_id)
    room.screens.forget(source_id)
    await _drop_upload(room, spec)


@router.get("/profiles")
async def profiles() -> ProfileList:
    """Prompt profiles to choose from."""
    return ProfileList(profiles=list(PROFILES))


async def _drop_upload(room: AppState, spec: SourceSpec) -> None:
    others = await list_sources(room.bus)
    if not any(other.url == spec.url and other.source_id != spec.source_id for other in others.values()):
        await asyncio.to_thread(room.uploads.remove, spec.url)
