"""Adds the sources of the settings to the registry, once; the services take it from there.

A source that is there already stays as it is: people may have changed it while it ran.
"""

from __future__ import annotations

import asyncio
import sys

from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source, list_sources
from cornerman_shared.errors import CornermanError
from cornerman_shared.process import logs
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings

log = logs.get_logger("register")


async def register(settings: Settings) -> list[str]:
    """Ids of the sources that were added."""
    async with Bus.connect(settings) as bus:
        await bus.ready()
        there = await list_sources(bus)
        added = [_able(spec, settings) for spec in settings.sources if spec.source_id not in there]
        for spec in added:
            await add_source(bus, spec)
    return [spec.source_id for spec in added]


def _able(spec: SourceSpec, settings: Settings) -> SourceSpec:
    """The bundled head reads the features of the bundled model; behind the fake encoder rules decide."""
    if settings.encoder.backend == "fake" and spec.speak.strategy == "head" and not spec.speak.head:
        return spec.model_copy(update={"speak": spec.speak.model_copy(update={"strategy": "rules"})})
    return spec


def main() -> int:
    try:
        settings = load_settings()
        logs.configure(settings.log.level, settings.log.format, role="register")
        log.info("registered", added=asyncio.run(register(settings)))
    except CornermanError as error:
        log.error("failed", message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
