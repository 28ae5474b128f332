"""`/api/models`: who encodes, decides and speaks, why, and which questions and prompts the model in use takes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cornerman_common.abilities import Sees, Topic
from cornerman_gateway.app_state import StateDep
from cornerman_gateway.models import models_in_use

router = APIRouter(prefix="/api", tags=["models"])


class PartView(BaseModel):
    """One of the three parts."""

    backend: Annotated[str, Field(description="the back end; of the decider, the strategy of new sources")]
    model: Annotated[str, Field(description="path, hub name or name at a server; empty = none")]
    why: Annotated[str, Field(description="the reason for the choice")]


class AbilitiesView(BaseModel):
    """The abilities of the model that speaks; null = no limit."""

    topics: Annotated[list[Topic] | None, Field(description="kinds of question that it answers")]
    follows_prompts: bool
    exercises: list[str] | None
    sees: Sees
    languages: list[str] | None


class ModelsView(BaseModel):
    """The models in use."""

    encoder: PartView
    decider: PartView
    generator: PartView
    gate: Annotated[dict[str, float], Field(description="limits of new sources, as settings below `speak`")]
    abilities: AbilitiesView
    abilities_text: Annotated[str, Field(description="the abilities in one line")]
    notes: list[str]


@router.get("/models")
async def models(state: StateDep) -> ModelsView:
    """The models in use, and why."""
    choice = await models_in_use(state)
    fields: dict[str, Any] = {**choice.to_dict(), "abilities_text": choice.abilities.in_words()}
    return ModelsView.model_validate(fields)
