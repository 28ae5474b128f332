"""`cornerman watch [SOURCE]`: prints the events of a source, or of all sources. Starts nothing."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from cornerman.local import options
from cornerman.local.event_lines import EventLines
from cornerman.local.known_sources import check_known
from cornerman.local.run_output import RunOutput
from cornerman.local.running_server import require_server
from cornerman.local.signals import run_until_signal
from cornerman_shared.bus.connection import Bus
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import Settings


def watch(
    source_id: Annotated[str, typer.Argument(metavar="[SOURCE]", help="Id of a source; none = all.")] = "",
    since: Annotated[str, typer.Option(metavar="ID", help="Go on behind this event; 0 = all that is kept.")] = "$",
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Follow the feedback about a source, or about all, until Ctrl-C.

    A lost server is waited for; no feedback is missed or repeated, and feedback that was trimmed meanwhile is told as
    a gap. With --json each object carries the event's `id`, which --since takes.
    """
    if not re.fullmatch(r"\$|\d+(-\d+)?", since):
        raise ConfigError(f"--since {since!r} is not the id of an event; give one that --json printed, or 0 for all")
    chosen = options.command_settings(config, redis)
    output = RunOutput(as_json=as_json, many=not source_id, progress=False)
    run_until_signal(_watch(chosen.settings, source_id or None, since, output))


async def _watch(settings: Settings, source_id: str | None, since: str, output: RunOutput) -> None:
    lines = EventLines()

    def on_outage(error: Exception | None) -> None:
        if error is None:
            output.complain("the server is back; goes on behind the last event shown")
        else:
            output.complain(f"the server is lost ({error}); waiting for it, Ctrl-C ends")

    def on_gap(event_id: str) -> None:
        output.complain("words may be missing here: events came that are no longer kept (bus.feedback_maxlen)")
        if output.as_json:
            output.line({"type": "lagged", "count": None, "after": event_id})

    async with Bus.connect(settings) as bus:
        await require_server(bus)
        if source_id is not None:
            await check_known(bus, source_id)
        async for entry_id, event in bus.subscribe(source_id, since=since, outage=on_outage, gap=on_gap):
            line = lines.of(event)
            if line is not None:
                output.line({**line, "id": entry_id})
