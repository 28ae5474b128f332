"""Adds the sources of the settings to the registry, once.

A registered source stays unchanged: it may have been edited since.
"""

from __future__ import annotations

import asyncio
import sys

from cornerman_common.model_choice import resolve_models
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source, list_sources
from cornerman_shared.errors import CornermanError
from cornerman_shared.process import logs
from cornerman_shared.settings.tree import Settings

log = logs.get_logger("register")


async def register(settings: Settings) -> list[str]:
    """Adds the missing sources; returns their ids."""
    async with Bus.connect(settings) as bus:
        await bus.ready()
        there = await list_sources(bus)
        added = [spec for spec in settings.sources if spec.source_id not in there]
        for spec in added:
            await add_source(bus, spec)
    return [spec.source_id for spec in added]


def main() -> int:
    try:
        # Strategy and gate go with the back ends of the services, which have the same settings.
        settings = resolve_models(loads=False).settings
        logs.configure(settings.log.level, settings.log.format, role="register")
        log.info("registered", added=asyncio.run(register(settings)))
    except CornermanError as error:
        log.error("failed", message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
