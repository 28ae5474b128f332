"""Sources that the settings declare, for deployments: each one is added to the server once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus.registry import add_source
from cornerman_shared.errors import ConfigError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.settings.source import SourceSpec

log = get_logger("capture")


async def add_declared(bus: Bus, specs: Sequence[SourceSpec]) -> list[str]:
    """Adds the sources that this server has not seen declared before; returns their ids.

    What people changed or removed afterwards stays so: a source that was added once is not added again. Any number of
    processes may do this at once, and a process that is killed between two steps does no harm.

    Raises:
        RetryableError: no answer; call it again.
    """
    added = []
    for spec in specs:
        declared = bus.keys(spec.source_id).sources_declared
        async with bus.key_types.reading(declared):
            if await bus.redis.sismember(declared, spec.source_id):
                continue
        try:
            await add_source(bus, spec)
            added.append(spec.source_id)
        except ConfigError:
            log.info("source_is_there", source_id=spec.source_id)  # people, or another process, added it
        async with bus.key_types.reading(declared):
            await bus.redis.sadd(declared, spec.source_id)
    if added:
        log.info("sources_added", source_ids=added)
    return added
