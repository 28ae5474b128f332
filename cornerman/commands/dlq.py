"""`cornerman dlq`: lists, shows, replays and drops dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from cornerman.local import dead_letters, options
from cornerman.local.dead_letters import DeadLetterRow
from cornerman.local.running_server import require_server
from cornerman.local.status_table import plain_table
from cornerman_shared.bus.connection import Bus
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.tree import Settings
from cornerman_shared.text import clean_text

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, replay, drop.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
T = TypeVar("T")


def _run(settings: Settings, work: Callable[[Bus], Awaitable[T]]) -> T:
    async def on_bus() -> T:
        async with Bus.connect(settings) as bus:
            await require_server(bus)
            return await work(bus)

    return asyncio.run(on_bus())


@app.command("list")
def list_(as_json: options.Json = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """The dead letters, and the reason of each."""

    async def work(bus: Bus) -> list[DeadLetterRow]:
        return [row async for row in dead_letters.dead_letters(bus)]

    found = _run(options.command_settings(config, redis).settings, work)
    if as_json:
        for row in found:
            print(json.dumps(row.head()))
        return
    table = plain_table("id", "when", "stream", "group", "tries", "bytes", "reason")
    for row in found:
        letter = row.letter
        when = datetime.fromtimestamp(letter.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
        size = str(len(letter.body))
        table.add_row(
            row.id,
            when,
            letter.stream,
            letter.group,
            str(letter.deliveries),
            size,
            clean_text(redact_url(letter.reason)),
        )
    # A reason may contain square brackets: it must not be read as markup.
    Console(soft_wrap=True, highlight=False, markup=False).print(table if found else "no dead letters")


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")], config: options.Config = "", redis: options.Redis = ""
) -> None:
    """One dead letter with its message, as JSON."""

    async def work(bus: Bus) -> DeadLetterRow:
        return (await dead_letters.select(bus, [letter_id], everything=False))[0]

    row = _run(options.command_settings(config, redis).settings, work)
    print(json.dumps(row.details(), indent=2, default=str))


@app.command("replay")
def replay_(ids: Ids = None, everything: All = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """Put entries back where they came from, once the cause is gone.

    A chunk whose place in the order has passed stays silent: the decider has counted it as buried.
    """

    async def work(bus: Bus) -> int:
        rows = await dead_letters.select(bus, ids or [], everything)
        for row in rows:
            await dead_letters.replay(bus, row)
        return len(rows)

    print(f"{_run(options.command_settings(config, redis).settings, work)} put back")


@app.command("drop")
def drop_(ids: Ids = None, everything: All = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """Throw entries away for good."""

    async def work(bus: Bus) -> int:
        rows = await dead_letters.select(bus, ids or [], everything)
        for row in rows:
            await dead_letters.drop(bus, row)
        return len(rows)

    print(f"{_run(options.command_settings(config, redis).settings, work)} dropped")
