"""Dead letters: entries that no worker could process. Lists them, puts them back, deletes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import to_plain, unpack, unpack_map
from cornerman_shared.bus.messages import DeadLetter
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import ConfigError, MalformedError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

PAGE = 256
SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter and its place on the bus. `id` names it among all shards."""

    shard: int
    entry_id: str
    letter: DeadLetter

    @property
    def id(self) -> str:
        return f"{self.shard}/{self.entry_id}"

    def head(self) -> dict[str, Any]:
        """The letter without its body, as JSON types."""
        fields = to_plain(self.letter)
        fields.pop("body")
        return {"type": "dead_letter", "id": self.id, **fields}

    def details(self) -> dict[str, Any]:
        """The letter with its message; with the first bytes of its body if that cannot be read."""
        fields = self.head()
        try:
            fields["message"] = _without_arrays(unpack_map(self.letter.body))
        except MalformedError as error:
            fields["unreadable"] = str(error)
            fields["bytes"] = self.letter.body[:SHOWN_BYTES].hex(" ")
        return fields


async def dead_letters(bus: Bus) -> AsyncIterator[DeadLetterRow]:
    """Yields every dead letter, oldest first within each shard; an unreadable one with the reason in its fields.

    Raises:
        RetryableError: the server does not answer.
    """
    for keys in bus.all_keys():
        after = "-"
        while True:
            with redis_errors():
                entries = await bus.redis.xrange(keys.dead, after, "+", count=PAGE)
            for raw_id, fields in entries:
                entry_id = raw_id.decode()
                body = fields.get(streams.FIELD, b"")
                try:
                    letter = unpack(body, DeadLetter)
                except MalformedError as error:
                    letter = DeadLetter(keys.dead, "", entry_id, "", 0, f"not a dead letter: {error}", 0.0, body)
                yield DeadLetterRow(keys.shard, entry_id, letter)
            if len(entries) < PAGE:
                break
            # "(" excludes the entry itself: the next page starts after it.
            after = f"({entries[-1][0].decode()}"


async def select(bus: Bus, ids: list[str], everything: bool) -> list[DeadLetterRow]:
    """The letters with these ids, or all of them.

    Raises:
        ConfigError: an id is unknown, or there are neither ids nor `everything`.
    """
    if not ids and not everything:
        raise ConfigError("which dead letters? give their ids as `cornerman dlq list` shows them, or --all")
    found = [row async for row in dead_letters(bus)]
    if everything:
        return found
    by_id = {row.id: row for row in found}
    for wanted in ids:
        if wanted not in by_id:
            raise ConfigError(f"there is no dead letter {wanted!r}; `cornerman dlq list` shows those there are")
    return [by_id[wanted] for wanted in ids]


async def replay(bus: Bus, row: DeadLetterRow) -> str:
    """Moves the entry back to the end of its stream, in one transaction. Returns the entry's new id."""
    dead = streams.Keys(row.shard).dead
    with redis_errors():
        async with bus.redis.pipeline(transaction=True) as pipe:
            pipe.xadd(
                row.letter.stream,
                {streams.FIELD: row.letter.body},
                maxlen=bus.settings.bus.maxlen,
                approximate=True,
            )
            # The dead-letter stream has no consumer group: deleting from it distorts no lag.
            pipe.xdel(dead, row.entry_id)
            new_id, _ = await pipe.execute()
    return str(new_id.decode())


async def drop(bus: Bus, row: DeadLetterRow) -> None:
    """Deletes the letter."""
    with redis_errors():
        await bus.redis.xdel(streams.Keys(row.shard).dead, row.entry_id)


def _without_arrays(value: Any) -> Any:
    """Replaces bytes (arrays) by their size, in nested maps and lists."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return {str(name): _without_arrays(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_arrays(item) for item in value]
    return value
