"""Tells the bus which child processes come and which are down, so that `status`, the API and other commands know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

from cornerman_common.abilities import reported_models
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.errors import ConfigError, RetryableError

if TYPE_CHECKING:
    from cornerman.local.child import Child
    from cornerman.local.launcher import Launcher
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.settings.tree import Settings

EVERY_S: Final = 1.0


async def publish_outages(bus: Bus, launcher: Launcher) -> None:
    """Publishes `unhealthy` for each child that is down and waits for its next try; never ends.

    Before, it announces the children that will load a model: a command that starts meanwhile on another machine waits
    for them, with their models, instead of loading its own. A child has the same name, so its own status takes over.
    """
    with contextlib.suppress(RetryableError):  # then a child is known a second later, by its own status
        await bus.measure_clock()
        for child in launcher.children:
            if models := _models(child.role, bus.settings):
                await publish_status(bus, _status(child, "starting", bus.clock.now_s(), models=models))
    while True:
        with contextlib.suppress(RetryableError):  # said again within a second; the services report a lost server
            await bus.measure_clock()
            for child in launcher.children:
                if child.outage is not None and child.pid is None and not child.stopping.is_set():
                    await publish_status(bus, _status(child, "unhealthy", bus.clock.now_s(), child.outage.reason))
        await asyncio.sleep(EVERY_S)


def _models(role: str, settings: Settings) -> dict[str, str]:
    if role == "encoder":
        return {"backend": settings.encoder.backend, "model": settings.encoder.model}
    try:
        return reported_models(settings.generator) if role == "generator" else {}
    except ConfigError:
        return {}  # the child will say so itself


def _status(
    child: Child, state: str, now_s: float, reason: str = "", models: dict[str, str] | None = None
) -> WorkerStatus:
    return WorkerStatus(
        role=child.role,
        name=child.name,
        pid=os.getpid(),
        host=socket.gethostname(),
        state=state,
        started_at_s=now_s,
        at_s=now_s,
        rss_bytes=0,
        busy=0,
        reason=reason,
        models=models or {},
    )
