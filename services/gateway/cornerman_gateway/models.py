"""The models in use: the choice that the settings make, corrected by what the running processes report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from cornerman_common.abilities import Abilities
from cornerman_common.model_parts import ModelPart
from cornerman_shared.bus.workers import list_workers

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice
    from cornerman_gateway.app_state import AppState
    from cornerman_shared.bus.messages import WorkerStatus


async def models_in_use(state: AppState) -> ModelChoice:
    """The choice of models.

    Raises:
        RetryableError: the server does not answer.
    """
    return corrected(state.choice, await list_workers(state.bus))


def corrected(choice: ModelChoice, workers: list[WorkerStatus]) -> ModelChoice:
    """The choice with the back ends, models and abilities of the processes that run.

    Services may run on other machines, with other settings than the gateway's.
    """
    for worker in sorted(workers, key=lambda one: one.started_at_s):
        models, role = worker.models, worker.role
        if role not in ("encoder", "generator") or not models.get("backend"):
            continue
        settings = choice.settings.encoder if role == "encoder" else choice.settings.generator
        if (settings.backend, settings.model) != (models["backend"], models.get("model", "")):
            part = ModelPart(models["backend"], models.get("model", ""), f"{worker.name} runs it")
            choice = replace(choice, encoder=part) if role == "encoder" else replace(choice, generator=part)
        if role == "generator" and models.get("abilities"):
            choice = replace(choice, abilities=Abilities.of(json.loads(models["abilities"]), worker.name))
    return choice
