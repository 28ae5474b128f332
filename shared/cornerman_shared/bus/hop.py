"""A hop: settle one input and write everything it causes, in one script. Exactly one output for each input, whatever
crashes.

    hop = Hop().add(keys.features, features, maxlen).free([chunk.frames]).count(keys.counters(s), "encoded", 1)
    await delivery.commit(hop)

A `Hop` only collects; `Delivery.commit` or `run` sends it. Nothing here knows what the messages mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from cornerman_shared.bus.codec import pack
from cornerman_shared.errors import FencedError

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import BlobRef, Event
    from cornerman_shared.bus.scripts import Arg, Scripts
    from cornerman_shared.bus.streams import Keys


class HopResult(Enum):
    """What became of a hop."""

    DONE = 1
    SETTLED_BEFORE = 0
    ONLY_SETTLED = 2  # the input is settled, but `once` found the field gone


class Hop:
    """What one settled input causes. Methods return the hop, to be chained; order is kept."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._numbers: dict[str, int] = {}
        self._conditions: list[Arg] = []
        self._operations: list[Arg] = []

    def add(self, stream: str, message: object, maxlen: int) -> Hop:
        """XADD a message, trimming the stream to about `maxlen` entries."""
        return self._operation("add", self._number(stream), maxlen, pack(message))

    def event(self, keys: Keys, event: Event, maxlen: int) -> Hop:
        """An event for the source's feedback stream and for everybody's."""
        own = self._number(keys.feedback(event.source_id))
        return self._operation("event", own, self._number(keys.feedback_all), maxlen, pack(event))

    def set(self, key: str, field: str, value: Arg, unless: str = "") -> Hop:
        """HSET; a field that holds `unless`, when given, is left as it is."""
        return self._operation("set", self._number(key), field, value, *([unless] if unless else []))

    def delete(self, key: str, field: str) -> Hop:
        """HDEL."""
        return self._operation("delete", self._number(key), field)

    def release(self, key: str, member: str) -> Hop:
        """ZREM: gives credit back."""
        return self._operation("release", self._number(key), member)

    def count(self, key: str, name: str, by: int = 1) -> Hop:
        """HINCRBY."""
        return self._operation("count", self._number(key), name, by)

    def free(self, refs: Iterable[BlobRef | None]) -> Hop:
        """UNLINK the blobs; None is passed over."""
        for ref in refs:
            if ref is not None:
                self._operation("free", self._number(ref.key))
        return self

    def once(self, key: str, field: str) -> Hop:
        """What is added after this happens only if the field was there; it is deleted."""
        return self._operation("once", self._number(key), field)

    def expect(self, key: str, field: str, value: Arg) -> Hop:
        """The whole hop happens only if the field holds this value or is gone: no newer attempt is at work."""
        self._conditions += ["expect", 3, self._number(key), field, value]
        return self

    def extend(self, other: Hop) -> Hop:
        """Everything the other hop does, behind what this one does."""
        renumbered = {number: self._number(key) for key, number in other._numbers.items()}
        for mine, theirs in ((self._conditions, other._conditions), (self._operations, other._operations)):
            at = 0
            while at < len(theirs):
                name, n = theirs[at], int(theirs[at + 1])
                given = theirs[at + 2 : at + 2 + n]
                for i in range(_KEY_ARGUMENTS.get(str(name), 1)):
                    given[i] = renumbered[int(given[i])]
                mine += [name, n, *given]
                at += 2 + n
        return self

    async def run(
        self,
        scripts: Scripts,
        *,
        stream: str = "",
        group: str = "",
        entry_id: str = "",
        fence: str = "",
        generation: int = 0,
    ) -> HopResult:
        """Sends the hop.

        Args:
            stream, group, entry_id: the input to settle; empty = there is none.
            fence, generation: the lease that the work needs; empty = none.

        Raises:
            FencedError: a newer owner holds the lease; nothing happened.
            RetryableError: no answer; it happened or not, and sending it again is safe.
        """
        args: list[Arg] = [group, entry_id, generation if fence else "", *self._conditions, *self._operations]
        # A cluster hashes every key, also one that is not used, so an absent one is filled with one of our own.
        filler = next((key for key in (stream, fence, *self._keys) if key), "")
        reply = int(await scripts.run("hop", [stream or filler, fence or filler, *self._keys], args))
        if reply == -1:
            raise FencedError(f"generation {generation} of {fence} is over: a newer owner has taken over")
        return HopResult(reply)

    def _number(self, key: str) -> int:
        """Position of the key in the script's KEYS; the first two are the input and the fence."""
        if key not in self._numbers:
            self._keys.append(key)
            self._numbers[key] = len(self._keys) + 2
        return self._numbers[key]

    def _operation(self, name: str, *given: Arg) -> Hop:
        self._operations += [name, len(given), *given]
        return self


_KEY_ARGUMENTS = {"event": 2}
