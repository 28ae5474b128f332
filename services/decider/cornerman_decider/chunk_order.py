"""Order of one source's chunks by `seq`, within one run. Pure: time is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cornerman_shared.bus.resequence import Gap, Resequencer

if TYPE_CHECKING:
    from cornerman_shared.bus.delivery import Delivery
    from cornerman_shared.bus.messages import Features

OrderedEntry: TypeAlias = "tuple[Features, Delivery[Features] | None]"
"""Features with the stream entry to settle; None = the entry is buried already, only its place in the order is left."""


class ChunkOrder:
    """A resequencer that waits for a missing chunk as long as its source allows.

    Args:
        next_seq: the first chunk that is awaited.
        max_held: chunks held at most while an earlier one is awaited.
        lossless_gap_s: how long a lossless source waits for a missing chunk, seconds.
    """

    def __init__(self, next_seq: int, max_held: int, lossless_gap_s: float) -> None:
        self._queue: Resequencer[OrderedEntry] = Resequencer(next_seq, max_held)
        self._lossless_gap_s = lossless_gap_s

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def next_seq(self) -> int:
        return self._queue.next_seq

    def push(self, entry: OrderedEntry, now_s: float) -> OrderedEntry | None:
        """Takes an entry; returns it instead when it is late or a duplicate.

        The stream entry of a held one, delivered again, takes its place: the delivery before it is void.
        """
        seq, delivery = entry[0].seq, entry[1]
        held = self._queue.get(seq)
        if held and held[1] and delivery and held[1].entry_id == delivery.entry_id:
            self._queue.replace(seq, entry)
            return None
        return self._queue.push(seq, entry, now_s)

    def holds(self, features: Features) -> bool:
        """True if the chunk is held already."""
        return self._queue.get(features.seq) is not None

    def is_lossless(self) -> bool:
        """True if the source waits for its chunks rather than skip them."""
        return any(features.lossless for features, _ in self._queue.held()[:1])

    def pop(self, now_s: float, live_gap_s: float) -> OrderedEntry | Gap | None:
        """The next entry, a gap that has been awaited for long enough, or None."""
        return self._queue.pop(now_s, self._lossless_gap_s if self.is_lossless() else live_gap_s)

    def held(self) -> list[OrderedEntry]:
        """Entries that wait, earliest first."""
        return self._queue.held()
