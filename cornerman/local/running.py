"""Services that run already: who started them, and the models that a command which joins them works with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from cornerman.local.server_owner import owner_of
from cornerman_common.running_models import running_models
from cornerman_shared.bus import embedded
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_address import server_password, server_socket, with_server
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import CornermanError
from cornerman_shared.process.run_dir import runtime_dir

if TYPE_CHECKING:
    from cornerman.local.options import CommandSettings
    from cornerman_shared.settings.tree import Settings

ANSWER_S: Final = 3.0


def with_running_models(chosen: CommandSettings) -> CommandSettings:
    """Settings with the models of the services that this command will use, where none is set."""
    if chosen.was_set("encoder.backend") and chosen.was_set("generator.backend"):
        return chosen
    return chosen.with_defaults(_models(chosen.settings))


def fits_running(settings: Settings) -> bool:
    """Whether the services of `cornerman up` use the back ends of these settings, as far as they are started."""
    found = _models(settings)
    return all(getattr(settings, role).backend == models["backend"] for role, models in found.items())


def _models(settings: Settings) -> dict[str, Any]:
    """Nested settings of the models at the server that `run` would use; empty where none runs yet.

    A server that does not answer is reported by the command itself, later.
    """
    if not settings.redis.url:
        if not embedded.answers(server_socket(settings), server_password(settings)):
            return {}
        if owner_of(runtime_dir(settings.runtime.dir)) != "up":
            return {}
        settings = with_server(settings)
    try:
        return asyncio.run(_reported(settings))
    except CornermanError:
        return {}


async def _reported(settings: Settings) -> dict[str, Any]:
    async with Bus.connect(settings) as bus:
        await bus.ready(ANSWER_S)
        return running_models(await list_workers(bus))
