"""Roles of live worker processes, and waiting for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Final

from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import FatalError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import WorkerStatus

READY_S: Final = 180.0
"""Longest time that models may take to load before the first frame."""

POLL_S: Final = 0.1
SERVES: Final = ("starting", "running")


async def live_roles(bus: Bus) -> set[str]:
    """Roles with at least one process that starts or runs."""
    return served_roles(await list_workers(bus))


def served_roles(workers: Iterable[WorkerStatus]) -> set[str]:
    """Roles with at least one process that runs, or has registered and still loads its model."""
    return {status.role for status in workers if status.state in SERVES}


def served_elsewhere(workers: Iterable[WorkerStatus], here: str) -> dict[str, str]:
    """Where roles are served that are worth a word, by role: on another machine, or by a process that still loads.

    Args:
        here: host name of this machine.
    """
    found: dict[str, str] = {}
    for role in sorted(served_roles(workers := list(workers))):
        there = [one for one in workers if one.role == role and one.state in SERVES]
        loads = all(one.state == "starting" for one in there)
        hosts = sorted({one.host for one in there})
        if loads or hosts != [here]:
            found[role] = f"{role} on {', '.join(hosts)}" + (" (still loading)" if loads else "")
    return found


async def wait_until_running(
    bus: Bus,
    roles: Iterable[str],
    report: Callable[[set[str]], None] = lambda missing: None,
    down: Callable[[], Collection[str]] = lambda: (),
    timeout_s: float = READY_S,
) -> None:
    """Waits until each role has a running process, or is down.

    Args:
        down: roles that are not waited for, because their processes crash again and again.
        report: called with the missing roles whenever they change.

    Raises:
        FatalError: a role is missing after `timeout_s` seconds.
        RetryableError: the server does not answer.
    """
    wanted = set(roles)
    deadline_s = time.monotonic() + timeout_s
    reported: set[str] = set()
    while True:
        running = {status.role for status in await list_workers(bus) if status.state == "running"}
        missing = wanted - running - set(down())
        if not missing:
            return
        # Called on a change only: the caller prints it.
        if missing != reported:
            report(missing)
            reported = missing
        if time.monotonic() > deadline_s:
            raise FatalError(
                f"not ready within {timeout_s:g} s: {', '.join(sorted(missing))}; see `cornerman status` and "
                "`cornerman doctor`"
            )
        await asyncio.sleep(POLL_S)
