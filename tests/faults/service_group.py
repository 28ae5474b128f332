"""Groups of real service processes for fault tests, which kill, freeze and restart them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from cornerman_shared.aio import retry
from cornerman_shared.bus.codec import unpack_event
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Event
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.errors import RetryableError

ROOT = Path(__file__).parents[2]


class Service:
    """One service process; `restart` starts a new one under a new worker name, as a supervisor does.

    Args:
        role: of the service.
        number: among those of its role.
        environment: its settings.
        log: file for its output.
        module: what to run; empty = the service.
        prefix: words before its command line, e.g. to run it on another host.
    """

    def __init__(
        self,
        role: str,
        number: int,
        environment: dict[str, str],
        log: Path,
        module: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        self._prefix = prefix
        self.role = role
        self._module = [module] if module else ["tests.faults.faulty", role]
        self.number = number
        self.kills = 0
        self.restarting = False
        self._environment = environment
        self._log = log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        name = f"{self.role}-{self.number}-{self.kills}"
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*self._prefix, sys.executable, "-m", *self._module],
                cwd=ROOT,
                env={**os.environ, **self._environment, "CORNERMAN_RUNTIME__NAME": name},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def restart(self) -> None:
        self.process = self._start()

    def restart_gracefully(self) -> int:
        """Ends the process as a rollout does and starts the next one; returns the exit code of the first."""
        self.restarting = True
        code = self.stop()
        self.kills += 1
        self.restart()
        self.restarting = False
        return code

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class ServiceGroup:
    """Starts services and kills them at random."""

    def __init__(self, url: str, folder: Path, seed: int, **overrides: str) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.folder = folder
        self.environment = {
            "CORNERMAN_REDIS_URL": url,
            "CORNERMAN_RUNTIME__DIR": str(folder),
            "CORNERMAN_BUS__IDLE_MS": "1500",
            "CORNERMAN_BUS__HEARTBEAT_MS": "300",
            "CORNERMAN_BUS__LEASE_MS": "1000",
            "CORNERMAN_BUS__BLOCK_MS": "100",
            # Entries of killed or suspended processes are delivered often; none of them may be buried for that.
            "CORNERMAN_BUS__MAX_DELIVERIES": "10000",
            "CORNERMAN_ENCODER__BACKEND": "fake",
            "CORNERMAN_GENERATOR__BACKEND": "echo",
            "OMP_NUM_THREADS": "1",
            **overrides,
        }
        self.services: list[Service] = []
        self.exits: list[tuple[str, int]] = []

    def start(self, **numbers: int) -> None:
        for role, number in numbers.items():
            first = len(self.of(role))
            for i in range(first, first + number):
                self.services.append(Service(role, i, dict(self.environment), self.folder / f"{role}-{i}.log"))

    def of(self, role: str) -> list[Service]:
        return [service for service in self.services if service.role == role]

    def kill_one(self) -> str:
        """Kills a service drawn at random (kill -9) and starts it again."""
        service = self.random.choice(self.services)
        service.kill()
        service.restart()
        return service.role

    def revive(self) -> None:
        """Restarts services that have exited, and notes their exit codes."""
        for service in self.services:
            if not service.restarting and (code := service.process.poll()) is not None:
                self.exits.append((service.role, code))
                service.restart()

    def stop(self) -> None:
        for service in self.services:
            service.stop()

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))


async def _answer(ask: Callable[[], Awaitable[Any]]) -> Any:
    """A reply of servers that may be failing over at this moment."""

    async def once() -> Any:
        with redis_errors():
            return await ask()

    return await retry(once)


async def events(bus: Bus, source_id: str) -> list[Event]:
    """Every event of a source."""
    entries = await _answer(lambda: bus.redis.xrange(bus.keys(source_id).feedback(source_id)))
    return [unpack_event(fields[FIELD]) for _, fields in entries]


async def counters(bus: Bus, source_id: str) -> dict[str, int]:
    """Counters of the current run."""
    rows = await _answer(lambda: bus.redis.hgetall(bus.keys(source_id).counters(source_id)))
    return {name.decode(): int(value) for name, value in rows.items()}


async def finished(bus: Bus, source_id: str) -> bool:
    """Whether the run has ended, with every chunk decided and every request ended."""
    k = bus.keys(source_id)
    try:
        run = await bus.redis.hgetall(k.run(source_id))
        open_requests = await bus.redis.hlen(k.open_requests)
    except (RetryableError, RedisError, OSError):
        return False
    return run.get(b"done") == b"1" and open_requests == 0


async def wait_finished(bus: Bus, source_id: str, group: ServiceGroup, timeout_s: float) -> None:
    """Waits for the end of a run; a timeout raises with counters and logs."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await finished(bus, source_id):
                group.revive()
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(
            f"no end after {timeout_s:g} s; {await counters(bus, source_id)}\n{group.logs()}"
        ) from None
