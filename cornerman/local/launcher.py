"""Runs the services as child processes: starts them, passes their logs on, starts crashed ones again, stops
them in order.

Settings reach a child by its environment. A child ends with its parent, even if the parent
is killed (`cornerman_shared.process.die_with_parent`).
Knows nothing of sources or of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from cornerman.local.restarts import Restarts
from cornerman_shared.backoff import Backoff
from cornerman_shared.process.die_with_parent import die_with_parent
from cornerman_shared.settings.overrides import to_environment

SERVICES: Final = ("capture", "encoder", "decider", "generator", "gateway")
HOPELESS: Final = {64: "it was called wrongly", 78: "a setting is wrong"}
"""Exit codes that the same settings will give again."""

TAIL_LINES: Final = 12
KILL_S: Final = 1.0

Say = Callable[[str, str], None]
"""Takes a role and a line it wrote, or that we say of it."""


def available(role: str) -> bool:
    """Is this service part of this installation?"""
    try:
        return importlib.util.find_spec(f"cornerman_{role}.__main__") is not None
    except ModuleNotFoundError:
        return False


class Child:
    """One service process and those that took its place."""

    def __init__(self, role: str, name: str) -> None:
        self.role = role
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = asyncio.Event()
        self.ended = asyncio.Event()
        self.restarted = 0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    def signal(self, number: int) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Launcher:
    """The children of one command.

    Args:
        counts: how many processes of each role.
        overrides: settings that differ from the file and our environment, nested.
        say: gets every line that a child writes, and what happens to it.
        package: prefix of the services' packages; `cornerman_` + role is run.
    """

    def __init__(
        self, counts: Mapping[str, int], overrides: Mapping[str, Any], say: Say, package: str = "cornerman_"
    ) -> None:
        host = socket.gethostname()
        self.children = [
            Child(role, f"{host}-{os.getpid()}-{index}") for role, count in counts.items() for index in range(count)
        ]
        self._overrides = overrides
        self._say = say
        self._package = package
        self.failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, when we have given up on a child."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the children running while the body does."""
        async with asyncio.TaskGroup() as tasks:
            for offset, child in enumerate(self.children):
                tasks.create_task(self._keep(child, offset), name=child.role)
            try:
                yield
            finally:
                await asyncio.shield(self.stop(within_s=0.0))

    def of(self, *roles: str) -> list[Child]:
        return [child for child in self.children if child.role in roles]

    async def stop(self, roles: Iterable[str] | None = None, *, within_s: float) -> bool:
        """Asks the children of these roles (None = all) to end and waits; kills those that take longer. True = none
        was killed."""
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
        for wait in waits:
            wait.cancel()
        return not late

    async def _keep(self, child: Child, offset: int) -> None:
        restarts = Restarts(Backoff(0.2, 5.0))
        try:
            while not child.stopping.is_set():
                code = await self._run_once(child, offset)
                if child.stopping.is_set():
                    return
                why = f"{child.role} {how_it_ended(code)}"
                if code in HOPELESS:
                    self._give_up(child, f"{why}: {HOPELESS[code]}")
                    return
                wait_s = restarts.crashed(time.monotonic())
                if wait_s is None:
                    self._give_up(child, f"{why}, {restarts.most + 1} times within {restarts.within_s:g} s")
                    return
                child.restarted += 1
                self._say(child.role, f"{why}; starting it again")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await child.stopping.wait()
        finally:
            child.ended.set()

    async def _run_once(self, child: Child, offset: int) -> int:
        # -P: the current folder is not on the import path, so a file of the user's never shadows a module.
        command = die_with_parent([sys.executable, "-P", "-m", f"{self._package}{child.role}"])
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment(child, offset),
            start_new_session=True,  # Ctrl-C is for us; we stop the children in order
        )
        child.process = process
        if child.stopping.is_set():
            child.signal(signal.SIGTERM)
        assert process.stdout is not None
        try:
            async for line in _lines(process.stdout):
                child.tail.extend(readable(line))
                self._say(child.role, line)
            return await process.wait()
        except asyncio.CancelledError:
            child.signal(signal.SIGKILL)
            raise

    def _environment(self, child: Child, offset: int) -> dict[str, str]:
        own = {"CORNERMAN_RUNTIME__NAME": child.name, "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **to_environment(self._overrides), **own}
        port = int(environment.get("CORNERMAN_RUNTIME__METRICS_PORT", "0"))
        if port:
            environment["CORNERMAN_RUNTIME__METRICS_PORT"] = str(port + offset)
        return environment

    def _give_up(self, child: Child, reason: str) -> None:
        if not self.failure.done():
            self.failure.set_result("\n".join([f"{reason}; its last lines:", *child.tail]))


def readable(line: str) -> list[str]:
    """A log line as a person reads it; anything else as it is.

    >>> readable('{"event": "no_server", "message": "it is gone", "level": "error"}')
    ['no_server: it is gone']
    """
    try:
        logged = json.loads(line) if line.startswith("{") else None
    except ValueError:
        logged = None
    if not isinstance(logged, dict) or "event" not in logged:
        return [line]
    told = f"{logged['event']}: {logged['message']}" if "message" in logged else str(logged["event"])
    return [told, *str(logged.get("exception", "")).splitlines()]


def how_it_ended(code: int) -> str:
    """An exit status in words.

    >>> how_it_ended(-9)
    'was killed by SIGKILL'
    """
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length; `StreamReader.readline` fails on long ones."""
    rest = b""
    while data := await stream.read(65536):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
