"""Settles one input entry and writes all its outputs in one script: exactly one output for each input.

    hop = Hop().add(keys.features, features, maxlen).free([chunk.frames]).count(keys.counters(s), "encoded", 1)
    await delivery.commit(hop)

A `Hop` collects operations; `Delivery.commit` or `run` sends them. It does not depend on message types.
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
    """Result of a hop.

    Attributes:
        DONE: the entry is settled and every operation was run.
        SETTLED_BEFORE: the entry was settled before; no operation was run.
        ONLY_SETTLED: the entry is settled, but operations behind a failed `once` or `first` were left out.
    """

    DONE = 1
    SETTLED_BEFORE = 0
    ONLY_SETTLED = 2


class Hop:
    """Operations of one settled input, in order. Methods return the hop for chaining."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        # Key -> its position in KEYS; a key used twice is sent once.
        self._numbers: dict[str, int] = {}
        self._conditions: list[Arg] = []
        self._operations: list[Arg] = []

    def add(self, stream: str, message: object, maxlen: int) -> Hop:
        """XADD: appends a message and trims the stream to about `maxlen` entries."""
        return self._operation("add", self._number(stream), maxlen, pack(message))

    def event(self, keys: Keys, event: Event, maxlen: int) -> Hop:
        """XADD: appends an event to the feedback streams of its source and of the shard."""
        own = self._number(keys.feedback(event.source_id))
        return self._operation("event", own, self._number(keys.feedback_all), maxlen, pack(event))

    def set(self, key: str, field: str, value: Arg, unless: str = "") -> Hop:
        """HSET; with `unless`, a field that holds that value is left unchanged."""
        return self._operation("set", self._number(key), field, value, *([unless] if unless else []))

    def delete(self, key: str, field: str) -> Hop:
        """HDEL: deletes a field."""
        return self._operation("delete", self._number(key), field)

    def release(self, key: str, member: str) -> Hop:
        """ZREM: returns credit."""
        return self._operation("release", self._number(key), member)

    def count(self, key: str, name: str, by: int = 1) -> Hop:
        """HINCRBY: adds `by` to a counter."""
        return self._operation("count", self._number(key), name, by)

    def free(self, refs: Iterable[BlobRef | None]) -> Hop:
        """UNLINK: deletes blobs; None is skipped."""
        for ref in refs:
            if ref is not None:
                self._operation("free", self._number(ref.key))
        return self

    def once(self, key: str, field: str) -> Hop:
        """Deletes a field; operations added later run only if it existed."""
        return self._operation("once", self._number(key), field)

    def first(self, key: str, member: str, keep_s: int) -> Hop:
        """ZADD NX: operations added later run only the first time in `keep_s` seconds that the member is added."""
        return self._operation("first", self._number(key), member, keep_s)

    def expect(self, key: str, field: str, value: Arg) -> Hop:
        """Makes the whole hop conditional: it runs only if the field is missing or holds `value` (no newer attempt)."""
        self._conditions += ["expect", 3, self._number(key), field, value]
        return self

    def extend(self, other: Hop) -> Hop:
        """Appends the operations of another hop."""
        # Operations refer to keys by position, which differs between the two hops.
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
            scripts: of an open bus.
            stream: stream of the input entry; empty = the hop has no input.
            group: its consumer group.
            entry_id: its id.
            fence: key of the lease's generation; empty = the hop needs no lease.
            generation: ours of that lease.

        Raises:
            FencedError: a newer owner holds the lease; nothing was written.
            RetryableError: no answer; sending the hop again is safe.
        """
        args: list[Arg] = [group, entry_id, generation if fence else "", *self._conditions, *self._operations]
        # Redis Cluster hashes every key, also unused ones, so an empty key is replaced by one of the same shard.
        filler = next((key for key in (stream, fence, *self._keys) if key), "")
        reply = int(await scripts.run("hop", [stream or filler, fence or filler, *self._keys], args))
        if reply == -1:
            raise FencedError(f"generation {generation} of {fence} is over: a newer owner holds the lease")
        return HopResult(reply)

    def _number(self, key: str) -> int:
        """Position of the key in the script's KEYS; the first two are input stream and fence."""
        if key not in self._numbers:
            self._keys.append(key)
            self._numbers[key] = len(self._keys) + 2
        return self._numbers[key]

    def _operation(self, name: str, *given: Arg) -> Hop:
        self._operations += [name, len(given), *given]
        return self


# Leading arguments that are key numbers, where an operation has more than one; must match `hop.lua`.
_KEY_ARGUMENTS = {"event": 2}
