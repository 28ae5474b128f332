"""Pictures of the moments on a timeline, kept from those that viewers received. Knows neither server nor clock.

One cache for all sources of a gateway, bounded in bytes and in time. When it is full, silent moments go before spoken
ones, and old before new. Nothing is encoded for it: it holds the JPEGs that were made for viewers.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

from cornerman_shared.bus.streams import moment_ms

MOST_BYTES: Final = 96 * 1024 * 1024
SILENT_S: Final = 600.0
"""The longest span of the page's timeline."""

SPOKEN_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class CachedPicture:
    """One JPEG of the ring."""

    entry_id: str
    run: str
    pts_s: float
    at_s: float
    jpeg: bytes


Key: TypeAlias = tuple[str, str, int]
"""Source, run, media time in milliseconds."""


class PictureCache:
    """Pictures by source, run and media time.

    Args:
        most_bytes: of JPEGs, all together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._silent: OrderedDict[Key, tuple[CachedPicture, float]] = OrderedDict()
        self._spoken: OrderedDict[Key, tuple[CachedPicture, float]] = OrderedDict()
        self.size_bytes = 0

    def keep(self, source_id: str, pts_s: float, picture: CachedPicture, *, spoken: bool, now_s: float) -> None:
        """Keeps the picture of the moment `pts_s`. A moment that was silent may be spoken about later."""
        key = (source_id, picture.run, moment_ms(pts_s))
        if key in self._spoken or (key in self._silent and not spoken):
            return
        self._drop(self._silent, key)
        (self._spoken if spoken else self._silent)[key] = (picture, now_s)
        self.size_bytes += len(picture.jpeg)
        while self.size_bytes > self._most_bytes:
            self._drop(self._silent if self._silent else self._spoken)

    def at(self, source_id: str, run: str, pts_s: float) -> CachedPicture | None:
        """The picture of this moment, to the millisecond."""
        key = (source_id, run, moment_ms(pts_s))
        held = self._spoken.get(key) or self._silent.get(key)
        return held[0] if held else None

    def sweep(self, now_s: float) -> None:
        """Drops pictures that are too old."""
        for moments, longest_s in ((self._silent, SILENT_S), (self._spoken, SPOKEN_S)):
            while moments and next(iter(moments.values()))[1] < now_s - longest_s:
                self._drop(moments)

    def forget(self, source_id: str) -> None:
        """Drops the pictures of a removed source."""
        for moments in (self._silent, self._spoken):
            for key in [key for key in moments if key[0] == source_id]:
                self._drop(moments, key)

    def _drop(self, moments: OrderedDict[Key, tuple[CachedPicture, float]], key: Key | None = None) -> None:
        """One moment, or the oldest."""
        held = moments.popitem(last=False)[1] if key is None else moments.pop(key, None)
        if held is not None:
            self.size_bytes -= len(held[0].jpeg)

    def __len__(self) -> int:
        return len(self._silent) + len(self._spoken)
