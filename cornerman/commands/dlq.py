"""`cornerman dlq`: entries that could not be worked on. Look at them, put them back, or drop them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from cornerman.commands.watch import FIND_S
from cornerman.local import options
from cornerman_shared.bus import streams
from cornerman_shared.bus.codec import to_plain, unpack, unpack_map
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DeadLetter
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.errors import ConfigError, MalformedError
from cornerman_shared.settings.tree import Settings

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, replay, drop.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
T = TypeVar("T")

PAGE = 256
SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter and where it lies. `id` names it among all shards."""

    shard: int
    entry_id: str
    letter: DeadLetter

    @property
    def id(self) -> str:
        return f"{self.shard}/{self.entry_id}"

    def head(self) -> dict[str, Any]:
        """All but the body."""
        told = to_plain(self.letter)
        told.pop("body")
        return {"type": "dead_letter", "id": self.id, **told}


async def letters(bus: Bus) -> AsyncIterator[DeadLetterRow]:
    """Every dead letter, oldest first within each shard. One that cannot be read itself is shown as such."""
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
            after = f"({entries[-1][0].decode()}"


async def replay(bus: Bus, letter: DeadLetterRow) -> str:
    """Puts the entry back at the end of its stream, and the letter away, at once. Returns the entry's new id."""
    dead = streams.Keys(letter.shard).dead
    with redis_errors():
        async with bus.redis.pipeline(transaction=True) as pipe:
            pipe.xadd(
                letter.letter.stream,
                {streams.FIELD: letter.letter.body},
                maxlen=bus.settings.bus.maxlen,
                approximate=True,
            )
            # The dead-letter stream has no group, so that deleting from it harms no lag.
            pipe.xdel(dead, letter.entry_id)
            new_id, _ = await pipe.execute()
    return str(new_id.decode())


async def drop(bus: Bus, letter: DeadLetterRow) -> None:
    """Throws the letter away."""
    with redis_errors():
        await bus.redis.xdel(streams.Keys(letter.shard).dead, letter.entry_id)


async def choose(bus: Bus, ids: list[str], everything: bool) -> list[DeadLetterRow]:
    """The letters of these ids.

    Raises:
        ConfigError: an id that is not there, or neither ids nor `everything`.
    """
    if not ids and not everything:
        raise ConfigError("which dead letters? give their ids as `cornerman dlq list` shows them, or --all")
    found = [letter async for letter in letters(bus)]
    if everything:
        return found
    by_id = {letter.id: letter for letter in found}
    for wanted in ids:
        if wanted not in by_id:
            raise ConfigError(f"there is no dead letter {wanted!r}; `cornerman dlq list` shows those there are")
    return [by_id[wanted] for wanted in ids]


def _run(settings: Settings, work: Callable[[Bus], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with Bus.connect(settings) as bus:
            await bus.ready(FIND_S)
            return await work(bus)

    return asyncio.run(whole())


@app.command("list")
def list_(as_json: options.Json = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """What lies there, and why."""

    async def work(bus: Bus) -> list[DeadLetterRow]:
        return [letter async for letter in letters(bus)]

    found = _run(options.choose(config, redis).settings, work)
    if as_json:
        for letter in found:
            print(json.dumps(letter.head()))
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("id", "when", "stream", "group", "tries", "bytes", "reason"):
        table.add_column(column)
    for one in found:
        dead = one.letter
        when = datetime.fromtimestamp(dead.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(one.id, when, dead.stream, dead.group, str(dead.deliveries), str(len(dead.body)), dead.reason)
    Console(soft_wrap=True, highlight=False, markup=False).print(table if found else "no dead letters")


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")], config: options.Config = "", redis: options.Redis = ""
) -> None:
    """One dead letter with what is in it, as JSON."""

    async def work(bus: Bus) -> DeadLetterRow:
        return (await choose(bus, [letter_id], everything=False))[0]

    found = _run(options.choose(config, redis).settings, work)
    told = found.head()
    try:
        told["message"] = _readable(unpack_map(found.letter.body))
    except MalformedError as error:
        told["unreadable"] = str(error)
        told["bytes"] = found.letter.body[:SHOWN_BYTES].hex(" ")
    print(json.dumps(told, indent=2, default=str))


def _readable(value: Any) -> Any:
    """Bytes (arrays) become their size; everything else stays."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return {str(name): _readable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return value


@app.command("replay")
def replay_(ids: Ids = None, everything: All = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """Put entries back where they came from, once the cause is gone.

    A chunk whose place in the order has passed stays silent: the decider has counted it as buried.
    """

    async def work(bus: Bus) -> int:
        chosen = await choose(bus, ids or [], everything)
        for letter in chosen:
            await replay(bus, letter)
        return len(chosen)

    print(f"{_run(options.choose(config, redis).settings, work)} put back")


@app.command("drop")
def drop_(ids: Ids = None, everything: All = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """Throw entries away for good."""

    async def work(bus: Bus) -> int:
        chosen = await choose(bus, ids or [], everything)
        for letter in chosen:
            await drop(bus, letter)
        return len(chosen)

    print(f"{_run(options.choose(config, redis).settings, work)} dropped")
