"""Reads a source's features stream without a group: nothing is taken from the deciders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.bus import streams
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.bus.streams import entry_order

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

PAGE: Final = 50


class FeatureReader:
    """Bodies of the entries behind an id, each once."""

    def __init__(self, bus: Bus, source_id: str, last_id: str) -> None:
        self._bus = bus
        self._key = bus.keys(source_id).features
        self._last_id = last_id

    @classmethod
    async def at_newest(cls, bus: Bus, source_id: str, back_ms: int | None = None) -> FeatureReader:
        """A reader of the entries from now on.

        Args:
            bus: where the stream is.
            source_id: whose features.
            back_ms: entries of so many milliseconds before the newest one come, too; None = none of them, and not it.

        Raises:
            RetryableError: no answer from the server.
        """
        with patient_errors():
            newest = await bus.redis.xrevrange(bus.keys(source_id).features, count=1)
        last_id = newest[0][0].decode() if newest else "0-0"
        if back_ms is not None:
            last_id = f"{max(0, entry_order(last_id)[0] - back_ms)}-0"
        return cls(bus, source_id, last_id)

    async def read(self) -> list[bytes]:
        """At most `PAGE` bodies; fewer = there are no more now.

        Raises:
            RetryableError: no answer from the server.
        """
        with patient_errors():
            rows = await self._bus.redis.xrange(self._key, f"({self._last_id}", "+", count=PAGE)
        if rows:
            self._last_id = rows[-1][0].decode()
        return [fields.get(streams.FIELD, b"") for _, fields in rows]
