"""Trims the work streams of a shard: an entry that every group has settled is read no more.

`bus.maxlen` alone would keep 10,000 entries of each; with landmarks or thumbnails in them that is 10 to 20 KB each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.streams import Keys

KEEP_S: Final = 10.0
"""Entries stay so long in any case: the page reads the skeletons of the last seconds without a group."""

log = get_logger("settled")


class SettledEntries:
    """The settled entries of one shard's work streams."""

    def __init__(self, bus: Bus, keys: Keys, keep_s: float = KEEP_S) -> None:
        self._keep_ms = int(keep_s * 1000)
        self._scripts = bus.scripts
        self._streams = [keys.chunks, keys.features, keys.questions, keys.requests]
        self._told = ""

    async def trim(self) -> int:
        """Removes them, except for the last few of each stream and those of the last `keep_s` seconds.

        Returns:
            How many it removed.

        Raises:
            RetryableError: no answer; trimming again is safe.
        """
        removed, fault = await self._scripts.run("trim", self._streams, [self._keep_ms])
        reason = fault.decode(errors="replace")
        if reason and reason != self._told:
            remedy = "each work stream keeps bus.maxlen entries; allow +xtrim to the user of redis.url"
            log.warning("streams_not_trimmed", error=reason, remedy=remedy)
        self._told = reason
        return int(removed)
