"""Profiles and presets as the API shows them. `cornerman_common.profile_library` keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from cornerman_shared.settings.source import Mode

if TYPE_CHECKING:
    from cornerman_common.abilities import Abilities
    from cornerman_common.profile_library import SavedFile


class Profile(BaseModel):
    """What to watch for, by name."""

    name: str
    title: str
    about: Annotated[str, Field(description="for whom it is, one line")]
    mode: Annotated[Mode | None, Field(description="null = as the source is")]
    prompt: str
    bundled: Annotated[bool, Field(description="it came with the package and stays as it is")] = True
    refused: Annotated[str, Field(description="why it cannot be used here, in words; empty = it can")] = ""


class Preset(BaseModel):
    """How closely to watch, by name."""

    name: str
    title: str
    about: Annotated[str, Field(description="for whom it is, one line")]
    settings: Annotated[dict[str, Any], Field(description="the changes to a source")]
    bundled: Annotated[bool, Field(description="it came with the package and stays as it is")] = True
    refused: Annotated[str, Field(description="why it cannot be used here, in words; empty = it can")] = ""


def profiles_for(files: list[SavedFile], abilities: Abilities, model: str) -> list[Profile]:
    """Every profile, with the reason where its file is wrong or the model in use cannot do it.

    A model that has only words of its own coaches, whatever the prompt says.
    """
    why = f"The model in use ({model}) does not follow prompts: it only coaches. Choose a general model for this."
    shown = []
    for file in files:
        profile = profile_view(file)
        if not profile.refused and not abilities.follows_prompts and profile.mode != "coach":
            profile = profile.model_copy(update={"refused": why})
        shown.append(profile)
    return shown


def profile_view(file: SavedFile) -> Profile:
    """A profile, whatever the model in use can do."""
    saved = file.settings
    return Profile(
        name=file.name,
        title=saved.title if saved else file.name,
        about=saved.about if saved else "",
        mode=saved.mode if saved else None,
        prompt=saved.prompt if saved else "",
        bundled=file.bundled,
        refused=file.problem,
    )


def preset_view(file: SavedFile) -> Preset:
    """A preset."""
    saved = file.settings
    return Preset(
        name=file.name,
        title=saved.title if saved else file.name,
        about=saved.about if saved else "",
        settings=saved.changes() if saved else {},
        bundled=file.bundled,
        refused=file.problem,
    )
