"""`cornerman status`: who works, how much waits, what each source does; once as JSON, or live."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cornerman.commands.watch import FIND_S
from cornerman.local import options
from cornerman.local.signals import run_until_signal
from cornerman.local.summary import Tally
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.lag import Lag, lag_of
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.bus.redis_client import redis_errors
from cornerman_shared.bus.registry import list_sources
from cornerman_shared.bus.streams import GROUP_DECIDER, GROUP_ENCODER, GROUP_GENERATOR
from cornerman_shared.bus.workers import list_workers
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import Settings

EVERY_S = 1.0
WIDE = 160  # columns, where no terminal says how many


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source now. `credit`: chunks on the bus, and how many there may be."""

    spec: SourceSpec
    state: str
    detail: str
    credit: tuple[int, int]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment."""

    at_s: float
    workers: list[WorkerStatus]
    lags: dict[str, Lag]
    dead: int
    sources: list[SourceStatus]


def status(
    as_json: options.Json = False,
    once: Annotated[bool, typer.Option("--once", help="Print once instead of keeping it up to date.")] = False,
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Workers, lag, credit, drops and rates."""
    chosen = options.choose(config, redis)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    if as_json or once or not console.is_terminal:
        taken = asyncio.run(_once(chosen.settings))
        if as_json:
            print(json.dumps(plain(taken)))
        else:
            console.print(page(taken, None))
        return
    run_until_signal(_live(chosen.settings, console))


async def _once(settings: Settings) -> Snapshot:
    async with Bus.connect(settings) as bus:
        await bus.ready(FIND_S)
        return await snapshot(bus)


async def _live(settings: Settings, console: Console) -> None:
    async with Bus.connect(settings) as bus:
        await bus.ready(FIND_S)
        before: Snapshot | None = None
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                taken = await snapshot(bus)
                live.update(page(taken, before), refresh=True)
                before = taken
                await asyncio.sleep(EVERY_S)


async def snapshot(bus: Bus) -> Snapshot:
    """Asks the server.

    Raises:
        RetryableError: no answer.
    """
    lags: dict[str, Lag] = {}
    dead = 0
    for keys in bus.all_keys():
        for name, stream, group in (
            ("chunks", keys.chunks, GROUP_ENCODER),
            ("features", keys.features, GROUP_DECIDER),
            ("requests", keys.requests, GROUP_GENERATOR),
        ):
            one, sofar = await lag_of(bus, stream, group), lags.get(name, Lag(0, 0))
            lags[name] = Lag(sofar.waiting + one.waiting, sofar.pending + one.pending)
        with redis_errors():
            dead += int(await bus.redis.xlen(keys.dead))
    sources = [await _source(bus, spec) for spec in (await list_sources(bus)).values()]
    return Snapshot(time.time(), await list_workers(bus), lags, dead, sources)


async def _source(bus: Bus, spec: SourceSpec) -> SourceStatus:
    keys = bus.keys(spec.source_id)
    with redis_errors():
        async with bus.redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.run(spec.source_id), ["state", "detail"])
            pipe.zcard(keys.inflight(spec.source_id))
            pipe.hgetall(keys.counters(spec.source_id))
            (state, detail), used, counters = await pipe.execute()
    return SourceStatus(
        spec,
        (state or b"waiting").decode(),
        (detail or b"").decode(errors="replace"),
        (int(used), spec.watch.credit),
        Tally.of(counters),
    )


def plain(taken: Snapshot) -> dict[str, Any]:
    """The snapshot as one JSON object."""
    return {
        "type": "status",
        "at_s": round(taken.at_s, 3),
        "workers": [asdict(worker) for worker in taken.workers],
        "streams": {name: {"waiting": lag.waiting, "pending": lag.pending} for name, lag in taken.lags.items()},
        "dead_letters": taken.dead,
        "sources": {
            one.spec.source_id: {
                "url": redact_url(one.spec.url),
                "state": one.state,
                "detail": one.detail,
                "credit_used": one.credit[0],
                "credit": one.credit[1],
                **one.tally.plain(),
            }
            for one in taken.sources
        },
    }


def page(taken: Snapshot, before: Snapshot | None) -> Group:
    """The snapshot for people; rates since the one before."""
    streams = " · ".join(f"{name} {lag.waiting} waiting, {lag.pending} in hand" for name, lag in taken.lags.items())
    dead = Text(f"{taken.dead} dead letters (cornerman dlq list)", style="red") if taken.dead else Text("")
    return Group(_workers(taken), Text(""), Text(streams), dead, Text(""), _sources(taken, before))


def _workers(taken: Snapshot) -> Table | Text:
    if not taken.workers:
        return Text("no service is running; start them with `cornerman up`", style="yellow")
    table = _table("service", "worker", "state", "in hand", "memory", "up", "pid")
    for one in taken.workers:
        table.add_row(
            one.role,
            one.name,
            Text(one.state, style="green" if one.state == "running" else "yellow"),
            str(one.busy),
            f"{one.rss_bytes / 2**20:.0f} MiB",
            _span(taken.at_s - one.started_at_s),
            f"{one.pid}@{one.host}",
        )
    return table


def _sources(taken: Snapshot, before: Snapshot | None) -> Table | Text:
    if not taken.sources:
        return Text("no sources; add one with `cornerman sources add`", style="yellow")
    table = _table("source", "state", "frames/s", "chunks/s", "credit", "decided", "dropped", "feedback", "errors", "")
    was = {one.spec.source_id: one.tally for one in before.sources} if before else {}
    elapsed_s = taken.at_s - before.at_s if before else 0.0
    for one in taken.sources:
        old = was.get(one.spec.source_id)
        table.add_row(
            one.spec.source_id,
            one.state,
            _rate(one.tally.captured, old.captured if old else None, elapsed_s),
            _rate(one.tally.published, old.published if old else None, elapsed_s),
            f"{one.credit[0]}/{one.credit[1]}",
            str(one.tally.decided),
            _reasons(one.tally.dropped),
            str(one.tally.feedback),
            str(one.tally.errors),
            one.detail,
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _rate(now: int, before: int | None, elapsed_s: float) -> str:
    return "" if before is None or elapsed_s <= 0 else f"{max(0, now - before) / elapsed_s:.1f}"


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "0"


def _span(seconds: float) -> str:
    minutes, whole = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{whole:02d}s"
