"""Settles one input entry and writes all its outputs in one script: exactly one output for each input.

    hop = Hop().add(keys.features, features, maxlen).free([chunk.frames]).count(keys.counters(s), "encoded", 1)
    await delivery.commit(hop)

A `Hop` collects operations; `Delivery.commit` or `run` sends them. It does not depend on message types.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import KEEP_REMOVED_S
from cornerman_shared.errors import FencedError, RetryableError

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
        DONE_BEFORE: `SETTLED_BEFORE` after a try of ours whose answer was lost: that try settled the entry.
        SUPERSEDED: nothing was done: the run or the incarnation of the source is no longer current (`current`).
    """

    DONE = 1
    SETTLED_BEFORE = 0
    ONLY_SETTLED = 2
    SUPERSEDED = 3
    DONE_BEFORE = 4

    @property
    def is_ours(self) -> bool:
        """Whether our hop was run, now or in an earlier try."""
        return self in (HopResult.DONE, HopResult.DONE_BEFORE)


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

    def erase(self, stream: str, entry_id: str) -> Hop:
        """XDEL: deletes an entry, which no group needs any more."""
        return self._operation("erase", self._number(stream), entry_id)

    def wake(self, keys: Keys, note: str) -> Hop:
        """XADD: tells those that listen to the shard's notes (`wakeups`). A key that is not ours is left alone."""
        return self._operation("wake", self._number(keys.wakeups), note)

    def release(self, key: str, member: str) -> Hop:
        """ZREM: returns credit."""
        return self._operation("release", self._number(key), member)

    def release_range(self, key: str, run: str, first: int, last: int) -> Hop:
        """ZREM: returns the credit of the chunks `first` to `last` of a run. As much work as there is credit."""
        return self._operation("release_range", self._number(key), run, first, last)

    def count(self, key: str, name: str, by: int = 1) -> Hop:
        """HINCRBY: adds `by` to a counter."""
        return self._operation("count", self._number(key), name, by)

    def count_in_run(self, keys: Keys, source_id: str, run: str, name: str, by: int = 1) -> Hop:
        """HINCRBY of the source's counter, if `run` still is its run: counters are of one run."""
        counters, current = self._number(keys.counters(source_id)), self._number(keys.run(source_id))
        return self._operation("tally", counters, current, run, name, by)

    def free(self, refs: Iterable[BlobRef | None]) -> Hop:
        """UNLINK: deletes blobs; None is skipped. On a server of their own they are deleted once the hop is done."""
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

    def expire(self, keys: Keys, source_id: str) -> Hop:
        """EXPIRE: what was written of a source that is not registered expires after `KEEP_REMOVED_S`."""
        stored = (keys.sources, keys.feedback(source_id), keys.counters(source_id), keys.decider_state(source_id))
        return self._operation("expire", *map(self._number, stored), source_id, KEEP_REMOVED_S)

    def current(self, keys: Keys, source_id: str, run: str, incarnation: int) -> Hop:
        """Makes the whole hop conditional: it runs only for the current run and incarnation, else `SUPERSEDED`.

        Args:
            keys: of the source's shard.
            source_id: the source.
            run: empty = any run.
            incarnation: 0 = unknown, any of a registered source.
        """
        where = map(self._number, (keys.run(source_id), keys.incarnations, keys.sources))
        self._conditions += ["current", 6, *where, source_id, run, incarnation]
        return self

    def unregistered(self, keys: Keys, source_id: str) -> Hop:
        """Makes the whole hop conditional: it runs only if the source is not in the registry."""
        self._conditions += ["unregistered", 2, self._number(keys.sources), source_id]
        return self

    def expect(self, key: str, field: str, value: Arg) -> Hop:
        """Makes the whole hop conditional: it runs only if the field is missing or holds `value` (no newer attempt)."""
        self._conditions += ["expect", 3, self._number(key), field, value]
        return self

    def holds(self, key: str, field: str, value: str) -> Hop:
        """Makes the whole hop conditional: it runs only if the field holds `value`; "" = only if it is missing."""
        self._conditions += ["holds", 3, self._number(key), field, value]
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
        operations, blobs = self._parted() if scripts.blobs is not None else (self._operations, [])
        args: list[Arg] = [group, entry_id, generation if fence else "", *self._conditions, *operations]
        # Redis Cluster hashes every key, also unused ones, so an empty key is replaced by one of the same shard.
        filler = next((key for key in (stream, fence, *self._keys) if key), "")
        reply = int(await scripts.run("hop", [stream or filler, fence or filler, *self._keys], args))
        if reply == -1:
            raise FencedError(f"generation {generation} of {fence} is over: a newer owner holds the lease")
        result = HopResult(reply)
        if scripts.blobs is not None and blobs and result is HopResult.DONE:
            # Blobs that stay, because this process or their server fails here, expire by their time to live.
            with contextlib.suppress(RetryableError), redis_errors():
                await scripts.blobs.unlink(*blobs)
        return result

    def _parted(self) -> tuple[list[Arg], list[str]]:
        """The operations for the streams' server, and the blobs to delete on theirs."""
        there: list[Arg] = []
        blobs: list[str] = []
        at = 0
        while at < len(self._operations):
            end = at + 2 + int(self._operations[at + 1])
            if self._operations[at] == "free":
                blobs.append(self._keys[int(self._operations[at + 2]) - 3])
            else:
                there += self._operations[at:end]
            at = end
        return there, blobs

    def _number(self, key: str) -> int:
        """Position of the key in the script's KEYS; the first two are input stream and fence."""
        if key not in self._numbers:
            self._keys.append(key)
            self._numbers[key] = len(self._keys) + 2
        return self._numbers[key]

    def _operation(self, name: str, *given: Arg) -> Hop:
        self._operations += [name, len(given), *given]
        return self


# Leading arguments that are key numbers, where there is more than one; must match `hop.lua`.
_KEY_ARGUMENTS = {"current": 3, "event": 2, "expire": 4, "tally": 2}
