"""Frees the arrays of runs that were replaced or removed, which would wait for their time to live.

The scripts that end a run note it in one hash of the shard. Its arrays are freed at once and once more after
`AGAIN_S`, for those that an encoder was writing; then the note is deleted. So a crash in between costs a delay only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cornerman_shared.bus import streams
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.streams import Keys

AGAIN_S: Final = 60.0
EVERY_S: Final = 2.0

WINDOW: Final = 256
"""Newest chunks of a run whose arrays may be left: its credit (64 at most), and those that the decider remembers."""

ARRAYS: Final = ("frames", "context", "video")
PAGE: Final = 16

log = get_logger("decider")


class RetiredRuns:
    """The ended runs of one shard whose arrays are freed."""

    def __init__(self, bus: Bus, keys: Keys) -> None:
        self._bus, self._keys = bus, keys
        self._swept_at_s: dict[bytes, float] = {}

    async def sweep(self) -> int:
        """Frees what is due: at most `PAGE` runs of `WINDOW` chunks each. Returns the number of arrays freed.

        Raises:
            RetryableError: no answer; sweeping again is safe.
        """
        notes: Mapping[bytes, bytes] = {}
        async with self._bus.key_types.tolerating(self._keys.retired):
            notes = await self._bus.redis.hgetall(self._keys.retired)
        self._swept_at_s = {note: at_s for note, at_s in self._swept_at_s.items() if note in notes}
        now_s, freed = self._bus.clock.monotonic_s(), 0
        due = [note for note in notes if now_s - self._swept_at_s.get(note, -AGAIN_S) >= AGAIN_S]
        for note in due[:PAGE]:
            source_id, _, run = streams.text_of(note).rpartition(":")
            freed += await self._free(source_id, run, streams.read_number(notes[note]) or 0)
            if note in self._swept_at_s:
                with redis_errors():
                    await self._bus.redis.hdel(self._keys.retired, note)
            self._swept_at_s[note] = now_s
        return freed

    async def _free(self, source_id: str, run: str, published: int) -> int:
        # The chunk behind the last one may have its pixels stored, and was refused.
        seqs = range(max(0, published - WINDOW), published + 1)
        names = [self._keys.blob(source_id, run, seq, array) for seq in seqs for array in ARRAYS]
        with redis_errors():
            freed = int(await self._bus.blobs.unlink(*names))
        if freed:
            log.info("retired_run_freed", source_id=source_id, run=run, arrays=freed)
        return freed
