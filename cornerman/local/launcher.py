"""Runs the services as child processes: starts them, passes on their logs, restarts crashed ones, stops them in order.

A child that crashes again and again is *down*: it is tried again after growing pauses, and the others go on.

Settings reach a child through its environment. A child ends with its parent, even if the parent is killed
(`cornerman_shared.process.die_with_parent`). Knows neither sources nor the Redis server.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Final

from cornerman.local.child import Child, Outage, describe_exit, readable, wrong_setting
from cornerman.local.restarts import Restarts
from cornerman_shared.aio import cancel_all, first_of, wait_or_timeout
from cornerman_shared.backoff import Backoff
from cornerman_shared.errors import ConfigError, CornermanError, FatalError
from cornerman_shared.process.die_with_parent import die_with_parent
from cornerman_shared.process.exit_codes import EXIT_CONFIG, EXIT_USAGE
from cornerman_shared.settings.overrides import to_environment

DECIDING: Final = ("capture", "encoder", "decider")
"""Services that a decision takes."""

ROLES: Final = (*DECIDING, "generator")
"""Services that a chunk passes through."""

SERVICES: Final = (*ROLES, "gateway")
FINAL_EXITS: Final = {EXIT_USAGE: "it was called wrongly", EXIT_CONFIG: "a setting is wrong"}
"""Exit codes that a restart with the same settings would give again."""

EXIT_OS_ERROR: Final = 71
KILL_S: Final = 1.0

LogLine = Callable[[str, str], None]
"""Takes a role and a line: one that the process wrote, or one about the process."""


def is_installed(role: str) -> bool:
    """True if this service is part of this installation."""
    try:
        return importlib.util.find_spec(f"cornerman_{role}.__main__") is not None
    except ModuleNotFoundError:
        return False


class Launcher:
    """The children of one command.

    Args:
        counts: number of processes of each role.
        overrides: nested settings that differ from the file and this process's environment.
        log: called with every line that a child writes, and with its crashes and restarts.
        package: prefix of the services' packages; `cornerman_` + role is run.
        later: roles that wait for `start_later`.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        overrides: Mapping[str, Any],
        log: LogLine,
        package: str = "cornerman_",
        later: Collection[str] = (),
    ) -> None:
        host = socket.gethostname()
        self.children = [
            Child(role, f"{host}-{os.getpid()}-{index}") for role, count in counts.items() for index in range(count)
        ]
        self._overrides = overrides
        self._log = log
        self._package = package
        self._later = later
        self._all = asyncio.Event()
        self.failure: asyncio.Future[CornermanError] = asyncio.get_running_loop().create_future()
        """Done, with the error, when another try cannot help: a wrong setting, or the server is lost."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the children running while the body does."""
        async with asyncio.TaskGroup() as tasks:
            for offset, child in enumerate(self.children):
                tasks.create_task(self._supervise(child, offset), name=child.role)
            try:
                yield
            finally:
                await asyncio.shield(self.stop(within_s=0.0))

    def start_later(self) -> None:
        """Starts the children that wait."""
        self._all.set()

    async def race(self, *awaitables: Awaitable[Any]) -> set[int]:
        """Waits for the first of `awaitables` or the first failure of a child; cancels the others.

        Returns:
            Positions of the awaitables that are done; empty if only a child failed. See `check`.

        Raises:
            BaseException: the error of a done awaitable.
        """
        # `first_of` cancels its arguments, but the failure outlives the race.
        return await first_of(*awaitables, asyncio.shield(self.failure)) - {len(awaitables)}

    def check(self) -> None:
        """Raises if another try of a child cannot help.

        Raises:
            ConfigError: a setting of a child is wrong; says which.
            FatalError: says which child, why, and its last lines.
        """
        if self.failure.done():
            raise self.failure.result()

    def check_started(self, roles: Collection[str]) -> None:
        """Raises if one of these roles is down or cannot run: a command that has not begun ends at once.

        Raises:
            FatalError: says which role and why.
        """
        self.check()
        for role, outage in self.down().items():
            if role in roles:
                raise FatalError(outage.reason)

    def down(self) -> dict[str, Outage]:
        """The roles none of whose children works, each with the outage of the child that was down first."""
        found: dict[str, Outage] = {}
        for role in {child.role for child in self.children}:
            outages = [child.outage for child in self.of(role)]
            known = [outage for outage in outages if outage is not None]
            if len(known) == len(outages):
                found[role] = min(known, key=lambda outage: outage.since_s)
        return found

    def of(self, *roles: str) -> list[Child]:
        """Children of these roles."""
        return [child for child in self.children if child.role in roles]

    async def stop(self, roles: Iterable[str] | None = None, *, within_s: float) -> bool:
        """Stops the children of these roles (None = all); kills those that take longer than `within_s` seconds.

        Returns:
            True if none was killed.
        """
        children = self.children if roles is None else self.of(*roles)
        for child in children:
            child.stopping.set()
            child.signal(signal.SIGTERM)
        waits = [asyncio.ensure_future(child.ended.wait()) for child in children]
        if not waits:
            return True
        _, late = await asyncio.wait(waits, timeout=max(within_s, 0.01))
        for child in children:
            child.signal(signal.SIGKILL)
        if late:
            await asyncio.wait(late, timeout=KILL_S)
        await cancel_all(*waits)
        return not late

    async def _supervise(self, child: Child, offset: int) -> None:
        restarts = Restarts(Backoff(0.2, 5.0))
        try:
            if child.role in self._later:
                await first_of(self._all.wait(), child.stopping.wait())
            while not child.stopping.is_set():
                started_s = time.monotonic()
                recovered = asyncio.get_running_loop().call_later(restarts.within_s, child.recovered)
                try:
                    code = await self._run_once(child, offset)
                finally:
                    recovered.cancel()
                if child.stopping.is_set():
                    return
                why = f"{child.role} {describe_exit(code)}"
                if code in FINAL_EXITS:
                    self._give_up(child, code, f"{why}: {FINAL_EXITS[code]}")
                    return
                now_s = time.monotonic()
                again = restarts.crashed(now_s, now_s - started_s)
                if again.down:
                    child.down(f"{why}, again and again", now_s)
                    self._log(child.role, f"{why}; it is down, the next try is in {again.wait_s:.0f} s")
                else:
                    self._log(child.role, f"{why}; starting it again")
                await wait_or_timeout(child.stopping, again.wait_s)
        finally:
            child.ended.set()

    async def _run_once(self, child: Child, offset: int) -> int:
        # -P keeps the current folder off the import path: files there cannot shadow modules.
        command = die_with_parent([sys.executable, "-P", "-m", f"{self._package}{child.role}"])
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment(child, offset),
                start_new_session=True,  # Ctrl-C reaches this process only, which stops the children in order
            )
        except OSError as error:  # no memory or no process left: the same as a crash
            child.tail.append(f"it could not be started: {error.strerror}")
            return EXIT_OS_ERROR
        child.process = process
        # `stop` may have run while the process started, when there was no process to signal.
        if child.stopping.is_set():
            child.signal(signal.SIGTERM)
        assert process.stdout is not None
        try:
            async for line in _lines(process.stdout):
                child.tail.extend(readable(line))
                child.wrong_setting = wrong_setting(line) or child.wrong_setting
                if not child.wrong_setting:  # the command's own error tells it, once
                    self._log(child.role, line)
            return await process.wait()
        except asyncio.CancelledError:
            child.signal(signal.SIGKILL)
            raise

    def _environment(self, child: Child, offset: int) -> dict[str, str]:
        # The offset keeps the metrics ports of several processes apart.
        # Its log lines are read here, and shown in the form that the command's settings ask for.
        own = {"CORNERMAN_RUNTIME__NAME": child.name, "CORNERMAN_LOG__FORMAT": "json", "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **to_environment(self._overrides), **own}
        port = int(environment.get("CORNERMAN_RUNTIME__METRICS_PORT", "0"))
        if port:
            environment["CORNERMAN_RUNTIME__METRICS_PORT"] = str(port + offset)
        return environment

    def _give_up(self, child: Child, code: int, reason: str) -> None:
        if self.failure.done():
            return
        if code == EXIT_CONFIG:
            text = child.wrong_setting or "\n".join([f"{reason}; its last lines:", *child.tail])
            self.failure.set_result(ConfigError(f"{child.role}: {text}" if child.wrong_setting else text))
            return
        self.failure.set_result(FatalError("\n".join([f"{reason}; its last lines:", *child.tail])))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yields lines of any length; `StreamReader.readline` fails on long ones."""
    rest = b""
    while data := await stream.read(65536):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
