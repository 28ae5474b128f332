"""`cornerman summary SOURCE`: what a person did in a session. Starts nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cornerman.local import options
from cornerman.local.known_sources import check_known
from cornerman.local.running_server import require_server
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.streams import FIRST_ID
from cornerman_shared.settings.tree import Settings

if TYPE_CHECKING:
    from cornerman_gateway.summary_fields import SessionSummary
    from cornerman_shared.bus.messages import Event


def summary(
    source_id: Annotated[str, typer.Argument(metavar="SOURCE", help="Id of a source.")],
    run: Annotated[str, typer.Option(metavar="RUN", help="Run of the source; left out = the newest.")] = "",
    as_json: options.Json = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Sum up a session: sets, repetitions, mistakes, best and worst moment, what to work on."""
    from cornerman_gateway.summary_fields import to_text

    chosen = options.command_settings(config, redis)
    made = asyncio.run(_summary(chosen.settings, source_id, run))
    print(made.model_dump_json() if as_json else to_text(made))


async def _summary(settings: Settings, source_id: str, run: str) -> SessionSummary:
    from cornerman_gateway.fanout import EventFeed
    from cornerman_gateway.session_summary import make_summary

    async with Bus.connect(settings) as bus:
        await require_server(bus)
        await check_known(bus, source_id)
        feed = EventFeed(bus, bus.keys(source_id).feedback(source_id))
        events: list[tuple[str, Event]] = []
        after: str | None = FIRST_ID
        while after is not None:
            rows, after = await feed.page(after)
            events += rows
    return make_summary(source_id, run or (events[-1][1].run if events else ""), events)
