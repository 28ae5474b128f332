"""`cornerman status`: workers, lag of the streams and sources; once as JSON or text, or live."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from cornerman.local import options
from cornerman.local.running_server import require_server
from cornerman.local.signals import run_until_signal
from cornerman.local.snapshot import Snapshot, take_snapshot
from cornerman.local.status_table import status_tables
from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings

EVERY_S = 1.0
WIDTH = 160  # columns, where stdout is not a terminal


def status(
    as_json: options.Json = False,
    once: Annotated[bool, typer.Option("--once", help="Print once instead of keeping it up to date.")] = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Workers, lag, credit, drops and rates."""
    chosen = options.command_settings(config, redis)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    # The live display needs a terminal; a pipe gets one snapshot.
    if as_json or once or not console.is_terminal:
        now = asyncio.run(_once(chosen.settings))
        if as_json:
            print(json.dumps(now.to_dict()))
        else:
            console.print(status_tables(now, None))
        return
    run_until_signal(_live(chosen.settings, console))


async def _once(settings: Settings) -> Snapshot:
    async with Bus.connect(settings) as bus:
        await require_server(bus)
        return await take_snapshot(bus)


async def _live(settings: Settings, console: Console) -> None:
    async with Bus.connect(settings) as bus:
        await require_server(bus)
        before: Snapshot | None = None
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                now = await take_snapshot(bus)
                live.update(status_tables(now, before), refresh=True)
                before = now
                await asyncio.sleep(EVERY_S)
