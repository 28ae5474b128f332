"""Health of the whole system: healthy, or degraded with its reasons. `status`, `/api/health` and the page show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cornerman_shared.bus.memory_gate import BLOB_SERVER, WARN_AT, memory_of_servers, memory_sentence
from cornerman_shared.bus.registry import unreadable_sources
from cornerman_shared.bus.workers import list_workers

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.bus.messages import WorkerStatus

NEEDED: Final = ("capture", "encoder", "decider", "generator")
"""Roles without which no feedback is made."""


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """One reason why the system is degraded: what is affected, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """The health at one moment; degraded if there is a problem."""

    problems: tuple[HealthProblem, ...] = ()

    @property
    def state(self) -> Literal["healthy", "degraded"]:
        return "degraded" if self.problems else "healthy"


def worker_problems(workers: Sequence[WorkerStatus]) -> list[HealthProblem]:
    """Roles without a running process, and unhealthy processes beside running ones."""
    problems = []
    for role in dict.fromkeys((*NEEDED, *(worker.role for worker in workers))):
        of_role = [worker for worker in workers if worker.role == role]
        unhealthy = [worker for worker in of_role if worker.state == "unhealthy"]
        if any(worker.state == "running" for worker in of_role):
            problems += [HealthProblem(f"{role} {worker.name}", worker.reason) for worker in unhealthy]
        elif unhealthy:
            problems.append(HealthProblem(role, unhealthy[0].reason))
        elif role in NEEDED:
            states = ", ".join(sorted({worker.state for worker in of_role}))
            reason = f"it is {states}" if states else "no process of it runs; start it with `cornerman up`"
            problems.append(HealthProblem(role, reason))
    return problems


async def system_health(bus: Bus) -> SystemHealth:
    """Reads the health from the server.

    Raises:
        RetryableError: no answer.
    """
    problems = worker_problems(await list_workers(bus))
    problems += [HealthProblem(f"source {name}", cause) for name, cause in (await unreadable_sources(bus)).items()]
    problems += [HealthProblem(f"key {key}", fault) for key, fault in (await bus.key_types.faults()).items()]
    full_at = bus.settings.redis.full_at
    for server, memory in (await memory_of_servers(bus)).items():
        # The server for blobs may evict: what it loses is counted.
        if not server.startswith(BLOB_SERVER) and memory.fault:
            problems.append(HealthProblem(server, memory.fault))
        elif memory.part >= min(WARN_AT, full_at):
            then = "capture publishes nothing until there is room" if memory.part >= full_at else "it fills up"
            problems.append(HealthProblem(server, f"{memory_sentence(server, memory)}; {then}"))
    return SystemHealth(tuple(problems))
