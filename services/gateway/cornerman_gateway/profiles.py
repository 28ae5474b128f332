"""Prompt profiles: what to watch for, in words. Choosing one only fills in a source's prompt and mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from cornerman_shared.settings.source import Mode, SaySettings

if TYPE_CHECKING:
    from cornerman_common.abilities import Abilities


class Profile(BaseModel):
    """A named prompt."""

    name: str
    title: str
    about: Annotated[str, Field(description="for whom it is, one line")]
    mode: Mode
    prompt: str
    refused: Annotated[str, Field(description="why the model in use cannot do it, one sentence; empty = it can")] = ""


PROFILES: tuple[Profile, ...] = (
    Profile(
        name="coach",
        title="Coach",
        about="Exercise form: mistakes and corrections.",
        mode="coach",
        prompt=str(SaySettings.model_fields["prompt"].default),
    ),
    Profile(
        name="sports",
        title="Sports",
        about="A match or a training session, told as it happens.",
        mode="commentary",
        prompt=(
            "You are a sports commentator. In one lively sentence, say what the players just did and why it matters. "
            "Say only what can be seen."
        ),
    ),
    Profile(
        name="security",
        title="Security",
        about="A camera that should see nothing unusual.",
        mode="commentary",
        prompt=(
            "You watch a security camera. Report people, vehicles and anything left behind or out of place, in one "
            "short factual sentence. Do not guess the identity of people."
        ),
    ),
    Profile(
        name="nature",
        title="Nature",
        about="Animals, plants, weather.",
        mode="commentary",
        prompt=(
            "You narrate a nature film. In one calm sentence, describe the animal or plant in view and its behaviour. "
            "Name a species only when you are sure."
        ),
    ),
    Profile(
        name="description",
        title="Description",
        about="For people who cannot see the picture.",
        mode="commentary",
        prompt=(
            "Describe what is happening in the video for a person who cannot see it: who, where, doing what. "
            "One plain sentence, new things first."
        ),
    ),
)


def profiles_for(abilities: Abilities, model: str) -> list[Profile]:
    """Every profile, with the reason where the model in use cannot do it.

    A model that has only words of its own coaches, whatever the prompt says.
    """
    if abilities.follows_prompts:
        return list(PROFILES)
    why = f"The model in use ({model}) does not follow prompts: it only coaches. Choose a general model for this."
    return [profile if profile.mode == "coach" else profile.model_copy(update={"refused": why}) for profile in PROFILES]


def profile_of(prompt: str) -> str:
    """Name of the profile whose prompt this is; `custom` when it is none of them."""
    return next((profile.name for profile in PROFILES if profile.prompt == prompt), "custom")
