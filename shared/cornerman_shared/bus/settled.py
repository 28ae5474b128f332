"""Trims the work streams of a shard: an entry that every group has settled is read no more.

`bus.maxlen` alone would keep 10,000 entries of each; with landmarks or thumbnails in them that is 10 to 20 KB each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.streams import Keys

log = get_logger("settled")


class SettledEntries:
    """The settled entries of one shard's work streams."""

    def __init__(self, bus: Bus, keys: Keys) -> None:
        self._scripts = bus.scripts
        self._streams = [keys.chunks, keys.features, keys.questions, keys.requests]
        self._told = ""

    async def trim(self) -> int:
        """Removes them, except for the last few of each stream; returns how many it removed.

        Raises:
            RetryableError: no answer; trimming again is safe.
        """
        removed, fault = await self._scripts.run("trim", self._streams, [])
        reason = fault.decode(errors="replace")
        if reason and reason != self._told:
            remedy = "each work stream keeps bus.maxlen entries; allow +xtrim to the user of redis.url"
            log.warning("streams_not_trimmed", error=reason, remedy=remedy)
        self._told = reason
        return int(removed)
