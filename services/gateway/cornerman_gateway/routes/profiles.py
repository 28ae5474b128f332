"""`/api/profiles` and `/api/presets`: list, read, write and remove the user's own."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cornerman_common.profile_library import BundledError
from cornerman_common.saved_settings import MAX_BYTES, NAME, SavedKind
from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.models import models_in_use
from cornerman_gateway.problems import FieldProblem, Problem
from cornerman_gateway.profiles import Preset, Profile, preset_view, profile_view, profiles_for
from cornerman_gateway.schemas import RequestModel, as_sent
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import Plain

router = APIRouter(prefix="/api", tags=["profiles"])

SavedName = Annotated[str, Path(pattern=f"^{NAME.pattern}$", description="name of the file", examples=["sports"])]


class ProfileList(BaseModel):
    """What there is to watch for."""

    profiles: list[Profile]


class PresetList(BaseModel):
    """How closely there is to watch."""

    presets: list[Preset]


class SavedText(BaseModel):
    """A profile or preset as its file."""

    name: str
    bundled: Annotated[bool, Field(description="it stays as it is; save it under another name")]
    text: Annotated[str, Field(description="YAML")]


class SavedTextNew(RequestModel):
    """The file to write."""

    text: Annotated[
        Plain,
        Field(min_length=1, max_length=MAX_BYTES, description="YAML: title, mode, watch, speak, say"),
        as_sent(MAX_BYTES),
    ]


@router.get("/profiles")
async def list_profiles(state: StateDep) -> ProfileList:
    """Profiles to choose from; those that cannot be used here say why."""
    files = await asyncio.to_thread(state.profiles.all, "profile")
    models = await models_in_use(state)
    return ProfileList(
        profiles=profiles_for(files, models.abilities, models.generator.model or models.generator.backend)
    )


@router.get("/profiles/{name}")
async def read_profile(name: SavedName, state: StateDep) -> SavedText:
    """A profile's file."""
    return await _read(state, "profile", name)


@router.put("/profiles/{name}")
async def write_profile(name: SavedName, body: SavedTextNew, state: StateDep) -> Profile:
    """Creates or replaces one of yours."""
    try:
        return profile_view(await asyncio.to_thread(state.profiles.save, "profile", name, body.text))
    except ConfigError as error:
        raise _refused("profile", name, error) from None


@router.delete("/profiles/{name}", status_code=204)
async def remove_profile(name: SavedName, state: StateDep) -> None:
    """Removes one of yours. Sources that were given it keep their settings."""
    await _remove(state, "profile", name)


@router.get("/presets")
async def list_presets(state: StateDep) -> PresetList:
    """Presets to choose from."""
    files = await asyncio.to_thread(state.profiles.all, "preset")
    return PresetList(presets=[preset_view(file) for file in files])


@router.get("/presets/{name}")
async def read_preset(name: SavedName, state: StateDep) -> SavedText:
    """A preset's file."""
    return await _read(state, "preset", name)


@router.put("/presets/{name}")
async def write_preset(name: SavedName, body: SavedTextNew, state: StateDep) -> Preset:
    """Creates or replaces one of yours."""
    try:
        return preset_view(await asyncio.to_thread(state.profiles.save, "preset", name, body.text))
    except ConfigError as error:
        raise _refused("preset", name, error) from None


@router.delete("/presets/{name}", status_code=204)
async def remove_preset(name: SavedName, state: StateDep) -> None:
    """Removes one of yours. Sources that were given it keep their settings."""
    await _remove(state, "preset", name)


async def _read(state: AppState, kind: SavedKind, name: str) -> SavedText:
    if not await _is_known(state, kind, name):
        raise _unknown(kind, name)
    text = await asyncio.to_thread(state.profiles.text, kind, name)
    return SavedText(name=name, bundled=state.profiles.is_bundled(kind, name), text=text)


async def _remove(state: AppState, kind: SavedKind, name: str) -> None:
    if not await _is_known(state, kind, name):
        raise _unknown(kind, name)
    try:
        await asyncio.to_thread(state.profiles.remove, kind, name)
    except ConfigError as error:
        raise _refused(kind, name, error) from None


async def _is_known(state: AppState, kind: SavedKind, name: str) -> bool:
    return any(file.name == name for file in await asyncio.to_thread(state.profiles.all, kind))


def _unknown(kind: SavedKind, name: str) -> Problem:
    return Problem(404, f"there is no such {kind}", f"{kind} {name!r}: GET /api/{kind}s lists those there are")


def _refused(kind: SavedKind, name: str, error: ConfigError) -> Problem:
    """409 for what comes with the package; 422 with a line for each wrong field of the text."""
    if isinstance(error, BundledError):
        return Problem(409, f"the {kind} stays as it is", str(error))
    lines = str(error).splitlines()
    errors = [FieldProblem(field="text", message=line) for line in lines]
    return Problem(422, f"{kind} {name!r} is not usable", "; ".join(lines), errors=errors)
