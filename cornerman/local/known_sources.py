"""Whether the server knows a source, for commands that follow or ask one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.registry import list_sources
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

SHOWN: Final = 8
"""Names that an error shows."""


async def check_known(bus: Bus, source_id: str) -> None:
    """Refuses a source that is not registered and has said nothing that is kept.

    Raises:
        ConfigError: names the sources there are.
        RetryableError: no answer.
    """
    sources = await list_sources(bus)
    if source_id in sources or await bus.newest_id(bus.keys(source_id).feedback(source_id)) != "0-0":
        return
    names = sorted(sources)
    there = f"there are {', '.join(names[:SHOWN])}{' and more' * (len(names) > SHOWN)}" if names else "there is none"
    raise ConfigError(f"no such source: {source_id!r}; {there}; add it with `cornerman sources add`")
