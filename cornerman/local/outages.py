"""Tells the bus which child processes are down, so that `status`, the API and the page say so."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.workers import publish_status
from cornerman_shared.errors import RetryableError

if TYPE_CHECKING:
    from cornerman.local.child import Child
    from cornerman.local.launcher import Launcher
    from cornerman_shared.bus.connection import Bus

EVERY_S: Final = 1.0


async def publish_outages(bus: Bus, launcher: Launcher) -> None:
    """Publishes `unhealthy` for each child that is down and waits for its next try; never ends.

    The child has the same name, so its own status takes over when it runs again.
    """
    while True:
        with contextlib.suppress(RetryableError):  # said again within a second; the services report a lost server
            await bus.measure_clock()
            for child in launcher.children:
                if child.outage is not None and child.pid is None and not child.stopping.is_set():
                    await publish_status(bus, _status(child, child.outage.reason, bus.clock.now_s()))
        await asyncio.sleep(EVERY_S)


def _status(child: Child, reason: str, now_s: float) -> WorkerStatus:
    return WorkerStatus(
        role=child.role,
        name=child.name,
        pid=os.getpid(),
        host=socket.gethostname(),
        state="unhealthy",
        started_at_s=now_s,
        at_s=now_s,
        rss_bytes=0,
        busy=0,
        reason=reason,
    )
