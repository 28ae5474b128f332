"""Keeps services running on a server until a signal, for `cornerman up`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from cornerman.local.error_group import first_error
from cornerman.local.launcher import Launcher
from cornerman.local.outages import publish_outages
from cornerman.local.server_choice import UP_WAITS_S, wait_for_server
from cornerman.local.signals import stop_at_signals
from cornerman.local.supervisor import supervise_server
from cornerman.local.workers import READY_S, live_roles, wait_until_running
from cornerman_shared.aio import background
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.registry import put_source
from cornerman_shared.bus.server_memory import refuse_eviction
from cornerman_shared.errors import FatalError

if TYPE_CHECKING:
    from cornerman.local.run_output import RunOutput
    from cornerman.local.server_choice import ServerChoice

STOP_CAPTURE_S: Final = 2.0
STOP_OTHERS_S: Final = 6.0


async def host_services(server: ServerChoice, counts: Mapping[str, int], output: RunOutput, page_url: str) -> None:
    """Starts the services that do not run there yet, and keeps them running until a signal.

    Args:
        counts: processes of each role.
        page_url: printed once the gateway runs; "" = no page.

    Raises:
        FatalError: a setting of a service is wrong, or the server was lost. A service that crashes again and again,
            or does not get ready, stops no other: it is tried again after growing pauses, or waited for.
    """
    try:
        async with Bus.connect(server.settings) as bus:
            await _host(bus, server, counts, output, page_url)
    except BaseExceptionGroup as group:
        raise first_error(group) from None


async def _host(bus: Bus, server: ServerChoice, counts: Mapping[str, int], output: RunOutput, page_url: str) -> None:
    stop = asyncio.Event()
    await wait_for_server(bus, output.note, UP_WAITS_S)
    await refuse_eviction(bus)
    there = await live_roles(bus) if server.shared else set()
    counts = {role: count for role, count in counts.items() if role not in there}
    if there:
        output.note(f"already running there: {', '.join(sorted(there))}")
    if not counts:
        return
    for spec in server.settings.sources:
        await put_source(bus, spec)
    launcher = Launcher(counts, server.overrides, output.child)
    work = [supervise_server(server, launcher.failure, output.child), publish_outages(bus, launcher)]
    if server.settings.record.dir:
        from cornerman.local.recorder import record_all  # FFmpeg is slow to import

        work.append(record_all(bus, server.settings.record, output.note))
    async with stop_at_signals(stop), launcher.running(), background(*work):
        done = await launcher.race(_wait_or_say(bus, counts, launcher, output), stop.wait())
        if 0 in done and not stop.is_set():
            for role, outage in launcher.down().items():
                output.complain(f"{role} is down and tried again from time to time: {outage.reason}")
            output.note(f"running on {bus.url}")
            if page_url and "gateway" in counts:
                output.note(f"The page is at {page_url} (Ctrl-C ends)")
            await launcher.race(stop.wait())
        # Capture stops first, so that the others can finish the chunks it published.
        await launcher.stop(["capture"], within_s=STOP_CAPTURE_S)
        await launcher.stop(within_s=min(STOP_OTHERS_S, server.settings.runtime.drain_s + 1.0))
    launcher.check()


async def _wait_or_say(bus: Bus, counts: Mapping[str, int], launcher: Launcher, output: RunOutput) -> None:
    """Waits for the services; says which of them do not get ready, and leaves them their time."""
    try:
        await wait_until_running(bus, counts, down=launcher.down, timeout_s=READY_S)
    except FatalError as error:
        output.complain(str(error))
