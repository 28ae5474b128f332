"""`cornerman up`: the services and nothing else, until Ctrl-C. Other commands then use them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from cornerman.commands.run import ROLES
from cornerman.local import options, page
from cornerman.local.error_groups import first_of
from cornerman.local.launcher import SERVICES, Launcher, available
from cornerman.local.pipeline import READY_S
from cornerman.local.run_output import RunOutput
from cornerman.local.server_choice import ServerChoice, choose_server
from cornerman.local.signals import stop_at_signals
from cornerman.local.supervisor import keep_server
from cornerman.local.workers import all_running, live_roles
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import put_source
from cornerman_shared.errors import ConfigError, FatalError


def up(
    only: Annotated[list[str], typer.Option("--only", metavar="SERVICE", help="This service only. Repeatable.")] = [],  # noqa: B006
    encoders: Annotated[int, typer.Option(min=1, help="Encoder processes.")] = 1,
    generators: Annotated[int, typer.Option(min=1, help="Generator processes.")] = 1,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the page.")] = None,
    config: options.Config = "",
    redis: options.Redis = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Start the services and keep them running. Add sources with `cornerman sources add`, or on the page."""
    wrong = [role for role in only if role not in SERVICES]
    if wrong:
        raise ConfigError(f"--only {wrong[0]!r}: there is no such service; there are {', '.join(SERVICES)}")
    chosen = options.choose(config, redis, sets)
    roles = tuple(only) or ROLES
    url, why = "", page.missing()
    if "gateway" in only or (not only and not why):
        if why:
            raise ConfigError(why)
        url, told = page.address(chosen.settings.gateway, port)
        chosen = chosen.with_flags(told)
        roles = tuple(dict.fromkeys((*roles, "gateway")))
    absent = [role for role in roles if not available(role)]
    if absent:
        raise ConfigError(f"this installation has no service {absent[0]!r}")
    screen = RunOutput(as_json=False, progress=False)
    if {"encoder", "generator"} & set(roles):
        chosen = options.with_models(chosen, screen.note)
    if why and not only:
        screen.note(f"No page: {why}")
    counts = {role: {"encoder": encoders, "generator": generators}.get(role, 1) for role in roles}
    with choose_server(chosen.settings, chosen.overrides, "up") as place:
        try:
            asyncio.run(_up(place, counts, screen, url))
        except BaseExceptionGroup as group:
            raise first_of(group) from None


async def _up(place: ServerChoice, counts: Mapping[str, int], screen: RunOutput, url: str) -> None:
    stop = asyncio.Event()
    async with Bus.connect(place.settings) as bus:
        await bus.ready()
        there = await live_roles(bus) if place.shared else set()
        counts = {role: count for role, count in counts.items() if role not in there}
        if there:
            screen.note(f"already running there: {', '.join(sorted(there))}")
        if not counts:
            return
        for spec in place.settings.sources:
            await put_source(bus, spec)
        launcher = Launcher(counts, place.overrides, screen.child)
        async with stop_at_signals(stop), launcher.running(), asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(keep_server(place, launcher.failure, screen.child))
            if await _until(stop, launcher, all_running(bus, counts, READY_S, lambda _: None)):
                screen.note(f"running on {bus.url}")
                if url and "gateway" in counts:
                    screen.note(f"The page is at {url} (Ctrl-C ends)")
                await _until(stop, launcher, stop.wait())
            # Capture first, so that what it has published still finds the others.
            await launcher.stop(["capture"], within_s=2.0)
            await launcher.stop(within_s=min(6.0, place.settings.runtime.drain_s + 1.0))
            keeping.cancel()
        if launcher.failure.done():
            raise FatalError(launcher.failure.result())


async def _until(stop: asyncio.Event, launcher: Launcher, work: object) -> bool:
    """Awaits `work`; False when we are told to stop, or a service fails for good, before."""
    doing = asyncio.ensure_future(work)  # type: ignore[call-overload]
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping, launcher.failure}, return_when=asyncio.FIRST_COMPLETED)
        return doing.done() and bool(doing.result()) and not stop.is_set()
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
