"""Sources by id, as routes need them: the settings, or a problem; and the view of a source with its run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import Path

from cornerman_common.profile_library import preset_of, profile_of
from cornerman_gateway.problems import Problem, no_source
from cornerman_gateway.schemas import SourceView, view_of
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.bus.registry import get_source
from cornerman_shared.bus.streams import counters_of, text_of
from cornerman_shared.errors import MalformedError
from cornerman_shared.settings.source import SOURCE_ID, SourceSpec

if TYPE_CHECKING:
    from cornerman_common.profile_library import SavedFile
    from cornerman_gateway.app_state import AppState

Id = Annotated[str, Path(pattern=f"^{SOURCE_ID.pattern}$", description="the source's name", examples=["demo"])]


async def find(state: AppState, source_id: str) -> SourceSpec:
    """The source's settings.

    Raises:
        Problem: 404; 409 if they cannot be read.
    """
    try:
        spec = await get_source(state.bus, source_id)
    except MalformedError as error:
        raise Problem(409, "the source cannot be read", str(error)) from None
    if spec is None:
        raise no_source(source_id)
    return spec


async def view(state: AppState, spec: SourceSpec, files: list[SavedFile] | None = None) -> SourceView:
    """The source with its run and counters.

    Args:
        state: of the gateway.
        spec: the source's settings.
        files: profiles and presets, for their names; None = they are read.
    """
    keys = state.bus.keys(spec.source_id)
    with patient_errors():
        async with state.bus.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.run(spec.source_id))
            pipe.hgetall(keys.counters(spec.source_id))
            # Damaged data of one source must not hide the others; the services delete it.
            run, counters = await pipe.execute(raise_on_error=False)
    fields = run if isinstance(run, dict) else {}
    text = {text_of(key): value.decode(errors="replace") for key, value in fields.items()}
    if files is None:
        files = await asyncio.to_thread(state.profiles.everything)
    settings = spec.model_dump(mode="json", include={"mode", "watch", "speak", "say"})
    names = (profile_of(spec.say.prompt, files), preset_of(settings, files))
    return view_of(spec, text, counters_of(counters), *names)
