"""A snapshot of the system: workers, lag of the streams, and the sources with their counters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cornerman.local.counts import SourceCounts
from cornerman_shared.bus.lag import Lag, lag_of, length_of
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import list_sources
from cornerman_shared.bus.server_memory import ServerMemory, read_memory
from cornerman_shared.bus.streams import GROUP_DECIDER, GROUP_ENCODER, GROUP_GENERATOR, text_of
from cornerman_shared.bus.system_health import SystemHealth, system_health
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """State and counters of one source. `credit`: chunks on the bus, and how many are allowed."""

    spec: SourceSpec
    state: str
    detail: str
    credit: tuple[int, int]
    counts: SourceCounts


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The system at `at_s`, the server's time. `lags` by stream, over all shards; `dead`: number of dead letters."""

    at_s: float
    workers: list[WorkerStatus]
    lags: dict[str, Lag]
    dead: int
    sources: list[SourceStatus]
    memory: ServerMemory
    health: SystemHealth = field(default_factory=SystemHealth)

    def to_dict(self) -> dict[str, Any]:
        """The snapshot as JSON types, without passwords."""
        return {
            "type": "status",
            "at_s": round(self.at_s, 3),
            "health": {
                "state": self.health.state,
                "problems": [asdict(problem) for problem in self.health.problems],
            },
            "workers": [asdict(worker) for worker in self.workers],
            "streams": {name: {"waiting": lag.waiting, "pending": lag.pending} for name, lag in self.lags.items()},
            "dead_letters": self.dead,
            "server": self.memory.to_dict(),
            "sources": {
                source.spec.source_id: {
                    "url": redact_url(source.spec.url),
                    "state": source.state,
                    "detail": source.detail,
                    "credit_used": source.credit[0],
                    "credit": source.credit[1],
                    **source.counts.to_dict(),
                }
                for source in self.sources
            },
        }


async def take_snapshot(bus: Bus) -> Snapshot:
    """Reads a snapshot from the server.

    Raises:
        RetryableError: the server does not answer.
    """
    await bus.measure_clock()  # a command that watches for days keeps the server's time
    lags: dict[str, Lag] = {}
    dead = 0
    for keys in bus.all_keys():
        for name, stream, group in (
            ("chunks", keys.chunks, GROUP_ENCODER),
            ("features", keys.features, GROUP_DECIDER),
            ("requests", keys.requests, GROUP_GENERATOR),
        ):
            # Summed over the shards.
            lag, total = await lag_of(bus, stream, group), lags.get(name, Lag(0, 0))
            lags[name] = Lag(total.waiting + lag.waiting, total.pending + lag.pending)
        dead += await length_of(bus, keys.dead)
    sources = [await _source_status(bus, spec) for spec in (await list_sources(bus)).values()]
    memory = await read_memory(bus)
    return Snapshot(bus.clock.now_s(), await list_workers(bus), lags, dead, sources, memory, await system_health(bus))


async def run_fields(bus: Bus, source_id: str) -> dict[str, str]:
    """Fields of the source's run: `state`, `detail`, `run` …; empty before the first run.

    Raises:
        RetryableError: the server does not answer.
    """
    with redis_errors():
        fields = await bus.redis.hgetall(bus.keys(source_id).run(source_id))
    return {text_of(name): clean_text(redact_url(value.decode(errors="replace"))) for name, value in fields.items()}


async def _source_status(bus: Bus, spec: SourceSpec) -> SourceStatus:
    keys = bus.keys(spec.source_id)
    with redis_errors():
        # One round trip; the fields need not be of the same instant.
        async with bus.redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.run(spec.source_id), ["state", "detail"])
            pipe.zcard(keys.inflight(spec.source_id))
            pipe.hgetall(keys.counters(spec.source_id))
            # Damaged data of one source must not hide the others; the services delete it.
            fields, used, counters = await pipe.execute(raise_on_error=False)
    state, detail = fields if isinstance(fields, list) else (None, None)
    return SourceStatus(
        spec,
        clean_text((state or b"waiting").decode(errors="replace")),
        clean_text(redact_url((detail or b"").decode(errors="replace"))),
        (used if isinstance(used, int) else 0, spec.watch.credit),
        SourceCounts.of(counters),
    )
