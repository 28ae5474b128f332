"""One source's chunks in order of `seq`, within one run. Pure but for what it carries."""

from __future__ import annotations

from dataclasses import dataclass

from cornerman_shared.bus.delivery import Delivery
from cornerman_shared.bus.messages import Features
from cornerman_shared.bus.resequence import Gap, Resequencer


@dataclass(frozen=True, slots=True)
class Arrival:
    """Features with the entry to settle; none when the entry was buried already and only its place is to be passed
    over."""

    features: Features
    delivery: Delivery[Features] | None


class ChunkOrder:
    """A resequencer that knows how patient a source is.

    Args:
        next_seq: the chunk that is awaited.
        max_held: chunks held at most while an earlier one is awaited.
        lossless_gap_s: how long a lossless source waits for a missing chunk.
    """

    def __init__(self, next_seq: int, max_held: int, lossless_gap_s: float) -> None:
        self._queue: Resequencer[Arrival] = Resequencer(next_seq, max_held)
        self._lossless_gap_s = lossless_gap_s

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def next_seq(self) -> int:
        return self._queue.next_seq

    def push(self, arrival: Arrival, now_s: float) -> Arrival | None:
        """Takes a chunk, or gives it back when it is late or twice."""
        return self._queue.push(arrival.features.seq, arrival, now_s)

    def is_lossless(self) -> bool:
        """Does the source that these chunks are of wait rather than skip?"""
        return any(arrival.features.lossless for arrival in self._queue.held()[:1])

    def pop(self, now_s: float, live_gap_s: float) -> Arrival | Gap | None:
        """The next chunk, or the number of one that was waited for long enough."""
        return self._queue.pop(now_s, self._lossless_gap_s if self.is_lossless() else live_gap_s)

    def held(self) -> list[Arrival]:
        """What still waits."""
        return self._queue.held()
