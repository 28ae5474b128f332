"""`/livez`, `/readyz`, `/metrics`, `/api/health`: what is wrong, and `/api/status`: workers and lag."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from cornerman_gateway.app_state import AppState, StateDep
from cornerman_gateway.problems import Problem
from cornerman_shared.bus import streams
from cornerman_shared.bus.lag import lag_of, length_of
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.system_health import system_health
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.errors import RetryableError

router = APIRouter(tags=["health"])

READY_TIMEOUT_S = 2.0


class WorkerView(BaseModel):
    """One process."""

    role: str
    name: str
    pid: int
    host: str
    state: str
    started_at_s: float
    at_s: float
    rss_bytes: int
    busy: int
    detail: dict[str, float]
    reason: Annotated[str, Field(description="why it is unhealthy")]


class ProblemView(BaseModel):
    """One reason why the system is degraded."""

    what: Annotated[str, Field(description="a role, a worker or the server")]
    reason: str


class HealthReport(BaseModel):
    """Whether everything works, and what does not."""

    state: Literal["healthy", "degraded"]
    problems: list[ProblemView]


class Status(BaseModel):
    """The whole system, now."""

    at_s: Annotated[float, Field(description="the clock of the Redis server, unix seconds")]
    shards: int
    workers: list[WorkerView]
    lag: Annotated[dict[str, int], Field(description="entries waiting or being worked on, by consumer group")]
    dead_letters: int
    clients: Annotated[int, Field(description="who follows events")]
    viewers: Annotated[int, Field(description="who watches pictures")]
    health: HealthReport


async def lags(state: AppState) -> dict[str, int]:
    """Work that waits or is being done, by group, over all shards."""
    out = dict.fromkeys((streams.GROUP_ENCODER, streams.GROUP_DECIDER, streams.GROUP_GENERATOR), 0)
    for keys in state.bus.all_keys():
        for stream, group in (
            (keys.chunks, streams.GROUP_ENCODER),
            (keys.features, streams.GROUP_DECIDER),
            (keys.requests, streams.GROUP_GENERATOR),
        ):
            out[group] += (await lag_of(state.bus, stream, group)).total
    return out


@router.get("/livez", response_class=PlainTextResponse)
async def livez() -> str:
    """The process answers."""
    return "ok\n"


@router.get("/readyz", response_class=PlainTextResponse)
async def readyz(state: StateDep) -> str:
    """The process can serve: its Redis answers."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            with redis_errors():
                await state.bus.redis.ping()
    except (TimeoutError, RetryableError) as error:
        raise Problem(503, "not ready", str(error) or "the server behind did not answer in time") from None
    return "ok\n"


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(state: StateDep) -> Response:
    """For Prometheus."""
    state.metrics.clients.labels("events").set(state.hub.clients)
    state.metrics.clients.labels("video").set(state.previews.viewers)
    for group, count in (await lags(state)).items():
        state.metrics.lag_entries.labels(group).set(count)
    return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def report(state: AppState) -> HealthReport:
    """The health as the API shows it."""
    found = await system_health(state.bus)
    problems = [ProblemView(what=problem.what, reason=problem.reason) for problem in found.problems]
    return HealthReport(state=found.state, problems=problems)


@router.get("/api/health")
async def health(state: StateDep) -> HealthReport:
    """Healthy, or degraded with the reasons; always 200, because the gateway itself works."""
    return await report(state)


@router.get("/api/status")
async def status(state: StateDep) -> Status:
    """Workers, lag and viewers."""
    dead = sum([await length_of(state.bus, keys.dead) for keys in state.bus.all_keys()])
    found = await list_workers(state.bus)
    return Status(
        at_s=state.bus.clock.now_s(),
        shards=state.bus.shards,
        workers=[WorkerView(**{name: getattr(worker, name) for name in WorkerView.model_fields}) for worker in found],
        lag=await lags(state),
        dead_letters=dead,
        clients=state.hub.clients,
        viewers=state.previews.viewers,
        health=await report(state),
    )
