"""The entries that a consumer has in hand, with the bound of each part. Pure: no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic

from cornerman_shared.bus.delivery import M

if TYPE_CHECKING:
    from cornerman_shared.bus.delivery import Delivery

EntryKey = tuple[str, str]  # stream and entry id
Deferred = tuple[str, str, int]  # stream, entry id and number of deliveries


class Hand(Generic[M]):
    """Entries in hand: those that wait to be taken, and those that are worked on.

    Args:
        slots: upper bound; with parts, of each part.
        part_of: the part of a message, e.g. its source, so that a full part does not stop the others; None = one part.
    """

    def __init__(self, slots: int, part_of: Callable[[M], str] | None = None) -> None:
        self._slots = slots
        self._part_of = part_of
        self._held: dict[EntryKey, Delivery[M]] = {}
        self._waiting: deque[Delivery[M]] = deque()
        self._in_part: dict[str, int] = {}
        self._deferred: dict[str, deque[Deferred]] = {}  # ids only: the bodies stay on the server
        self._deferred_keys: set[EntryKey] = set()

    def __len__(self) -> int:
        return len(self._held)

    def knows(self, stream: str, entry_id: str) -> bool:
        """Whether the entry is in hand, or deferred."""
        return (stream, entry_id) in self._held or (stream, entry_id) in self._deferred_keys

    def free(self, most: int) -> int:
        """How many entries may be read now; `most` = of a hand with parts, where only a part can be full."""
        return most if self._part_of else max(0, self._slots - len(self._held))

    def holds(self, delivery: Delivery[M]) -> bool:
        """Whether the delivery is in hand and not settled, lost or forgotten."""
        return self._held.get((delivery.stream, delivery.entry_id)) is delivery

    def held(self) -> list[Delivery[M]]:
        """Every entry in hand."""
        return list(self._held.values())

    def waiting(self) -> int:
        """Entries that wait to be taken."""
        return len(self._waiting)

    def add(self, delivery: Delivery[M]) -> bool:
        """Adds an entry; False = its part is full, and the entry is deferred until `due` returns it."""
        key, part = (delivery.stream, delivery.entry_id), self._part(delivery)
        before = self._held.get(key)
        if before is None and self._part_of and self._in_part.get(part, 0) >= self._slots:
            entry = (delivery.stream, delivery.entry_id, delivery.deliveries)
            self._deferred.setdefault(part, deque()).append(entry)
            self._deferred_keys.add(key)
            return False
        if before is not None:
            before.lost.set()  # its group was deleted: the same entry is delivered again
            self.remove(before)
        self._held[key] = delivery
        self._in_part[part] = self._in_part.get(part, 0) + 1
        self._waiting.append(delivery)
        return True

    def due(self) -> list[Deferred]:
        """Deferred entries whose part has room again, oldest first. They are no longer deferred."""
        found: list[Deferred] = []
        for part, entries in list(self._deferred.items()):
            room = self._slots - self._in_part.get(part, 0)
            for _ in range(min(room, len(entries))):
                found.append(entries.popleft())
                self._deferred_keys.discard(found[-1][:2])
            if not entries:
                del self._deferred[part]
        return found

    def take(self, limit: int, alone: Callable[[Delivery[M]], bool]) -> list[Delivery[M]]:
        """At most `limit` of the waiting entries, in order; one of which `alone` is true comes by itself."""
        taken: list[Delivery[M]] = []
        while self._waiting and len(taken) < limit:
            if taken and (alone(taken[0]) or alone(self._waiting[0])):
                break
            taken.append(self._waiting.popleft())
        return taken

    def remove(self, delivery: Delivery[M]) -> None:
        """Frees the slot of an entry, unless it was freed before."""
        key, part = (delivery.stream, delivery.entry_id), self._part(delivery)
        if self._held.get(key) is not delivery:
            return
        del self._held[key]
        self._in_part[part] -= 1
        if not self._in_part[part]:
            del self._in_part[part]
        if delivery in self._waiting:
            self._waiting.remove(delivery)

    def forget_deferred(self) -> None:
        """Forgets the deferred entries, which a reclaim or a new group delivers again."""
        self._deferred.clear()
        self._deferred_keys.clear()

    def _part(self, delivery: Delivery[M]) -> str:
        return self._part_of(delivery.message) if self._part_of else ""
