"""Adds the sources of the settings to the registry, once.

A registered source stays unchanged: it may have been edited since.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from cornerman_common.model_choice import resolve_models
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import add_source, list_sources
from cornerman_shared.errors import CornermanError
from cornerman_shared.process import logs
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings, load_settings

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


def _supported(spec: SourceSpec, settings: Settings) -> dict[str, Any]:
    """The entry of a source, with strategy `rules` behind the fake encoder: an image's sources may name the head."""
    entry = spec.model_dump(exclude_unset=True)
    if settings.encoder.backend == "fake" and spec.speak.strategy == "head" and not spec.speak.head:
        entry["speak"]["strategy"] = "rules"
    return entry


def main() -> int:
    try:
        before = load_settings()
        sources = [_supported(spec, before) for spec in before.sources]
        # Strategy and gate go with the back ends of the services, which have the same settings.
        settings = resolve_models({"sources": sources}, loads=()).settings
        logs.configure(settings.log.level, settings.log.format, role="register")
        log.info("registered", added=asyncio.run(register(settings)))
    except CornermanError as error:
        log.error("failed", message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
