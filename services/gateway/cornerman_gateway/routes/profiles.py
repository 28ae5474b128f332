"""`/api/profiles` and `/api/presets`: list, read, write and remove the user's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from cornerman_common.profile_library import BundledError
from cornerman_common.saved_folder import NAME
from cornerman_common.saved_settings import MAX_BYTES, SavedKind
from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.models import models_in_use
from cornerman_gateway.problems import FieldProblem, Problem
from cornerman_gateway.profiles import Preset, Profile, preset_view, profile_view, profiles_for
from cornerman_gateway.schemas import RequestModel, as_sent, with_examples
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import Plain

if TYPE_CHECKING:
    from cornerman_common.profile_library import SavedFile

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

    model_config = with_examples({"text": "title: Squats only\nsay:\n  prompt: Watch the depth of the squats.\n"})

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
    speaks = models.generator.model.rstrip("/").rpartition("/")[2] or models.generator.backend  # a folder's last name
    return ProfileList(profiles=profiles_for(files, models.abilities, speaks))


@router.get("/presets")
async def list_presets(state: StateDep) -> PresetList:
    """Presets to choose from."""
    files = await asyncio.to_thread(state.profiles.all, "preset")
    return PresetList(presets=[preset_view(file) for file in files])


def _file_routes(kind: SavedKind, view: Callable[[SavedFile], Profile | Preset], shown: type[BaseModel]) -> None:
    """Reading, writing and removing the files of a kind."""

    @router.get(f"/{kind}s/{{name}}", name=f"read_{kind}", description=f"A {kind}'s file.")
    async def read(name: SavedName, state: StateDep) -> SavedText:
        await _check_known(state, kind, name)
        text = await asyncio.to_thread(state.profiles.text, kind, name)
        return SavedText(name=name, bundled=state.profiles.is_bundled(kind, name), text=text)

    about = "Creates or replaces one of yours."

    @router.put(f"/{kind}s/{{name}}", name=f"write_{kind}", response_model=shown, description=about)
    async def write(name: SavedName, body: SavedTextNew, state: StateDep) -> Profile | Preset:
        try:
            return view(await asyncio.to_thread(state.profiles.save, kind, name, body.text))
        except ConfigError as error:
            raise _refused(kind, name, error) from None

    about = "Removes one of yours. Sources that were given it keep their settings."

    @router.delete(f"/{kind}s/{{name}}", name=f"remove_{kind}", status_code=204, description=about)
    async def remove(name: SavedName, state: StateDep) -> None:
        await _check_known(state, kind, name)
        try:
            await asyncio.to_thread(state.profiles.remove, kind, name)
        except ConfigError as error:
            raise _refused(kind, name, error) from None


_file_routes("profile", profile_view, Profile)
_file_routes("preset", preset_view, Preset)


async def _check_known(state: AppState, kind: SavedKind, name: str) -> None:
    if all(file.name != name for file in await asyncio.to_thread(state.profiles.all, kind)):
        raise Problem(404, f"there is no such {kind}", f"{kind} {name!r}: GET /api/{kind}s lists those there are")


def _refused(kind: SavedKind, name: str, error: ConfigError) -> Problem:
    """409 for what comes with the package; 422 with a line for each wrong field of the text."""
    if isinstance(error, BundledError):
        return Problem(409, f"the {kind} stays as it is", str(error))
    lines = str(error).splitlines()
    errors = [FieldProblem(field="text", message=line) for line in lines]
    return Problem(422, f"{kind} {name!r} is not usable", "; ".join(lines), errors=errors)
