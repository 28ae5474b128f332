"""A snapshot as tables for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cornerman_shared.bus.memory_gate import SERVER
from cornerman_shared.process.clock_skew import LARGEST_SKEW_S, SKEW

if TYPE_CHECKING:
    from cornerman.local.snapshot import Snapshot


def status_tables(now: Snapshot, before: Snapshot | None) -> Group:
    """Tables of workers and sources, and a line of lags. Rates need the snapshot before."""
    lags = " · ".join(f"{name} {lag.waiting} waiting, {lag.pending} in hand" for name, lag in now.lags.items())
    dead = Text(f"{now.dead} dead letters (cornerman dlq list)", style="red") if now.dead else Text("")
    return Group(_problems(now), _workers(now), Text(""), Text(lags), dead, Text(""), _sources(now, before))


def plain_table(*columns: str) -> Table:
    """A table without lines, with these column titles."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _problems(now: Snapshot) -> Group:
    """A line for each problem; `_workers` says when no worker runs."""
    problems = [problem for problem in now.health.problems if now.workers or problem.what == SERVER]
    return Group(*(Text(f"degraded: {problem.what}: {problem.reason}", style="red") for problem in problems))


def _workers(now: Snapshot) -> Table | Text:
    if not now.workers:
        return Text("no service is running; start them with `cornerman up`", style="yellow")
    costs = any(worker.detail.get("cost") for worker in now.workers)
    places = any(worker.models.get("placement") for worker in now.workers)
    columns = ("service", "worker", "state", "in hand", "memory", "up", "clock", "pid")
    table = plain_table(*columns, *(("model",) if places else ()), *(("cost",) if costs else ()))
    for worker in now.workers:
        spent = worker.detail.get("cost", 0.0)
        table.add_row(
            worker.role,
            worker.name,
            Text(worker.state, style={"running": "green", "unhealthy": "red"}.get(worker.state, "yellow")),
            str(worker.busy),
            f"{worker.rss_bytes / 2**20:.0f} MiB",
            _span(now.at_s - worker.started_at_s),
            _skew(worker.detail.get(SKEW, 0.0)),
            f"{worker.pid}@{worker.host}",
            *((worker.models.get("placement", ""),) if places else ()),
            *((f"{spent:.4f}" if spent else "",) if costs else ()),
        )
    return table


def _sources(now: Snapshot, before: Snapshot | None) -> Table | Text:
    if not now.sources:
        return Text("no sources; add one with `cornerman sources add`", style="yellow")
    columns = ("source", "state", "frames/s", "chunks/s", "credit", "decided", "dropped", "feedback", "errors", "")
    table = plain_table(*columns)
    # A source that is new since then has no rate yet.
    earlier = {source.spec.source_id: source.counts for source in before.sources} if before else {}
    elapsed_s = now.at_s - before.at_s if before else 0.0
    for source in now.sources:
        counts, old = source.counts, earlier.get(source.spec.source_id)
        table.add_row(
            source.spec.source_id,
            source.state,
            _rate(counts.captured, old.captured if old else None, elapsed_s),
            _rate(counts.published, old.published if old else None, elapsed_s),
            f"{source.credit[0]}/{source.credit[1]}",
            str(counts.decided),
            _reasons(counts.dropped),
            str(counts.feedback),
            str(counts.errors),
            source.detail,
        )
    return table


def _rate(now: int, before: int | None, elapsed_s: float) -> str:
    # A counter that starts over with a new run gives 0, not a negative rate.
    return "" if before is None or elapsed_s <= 0 else f"{max(0, now - before) / elapsed_s:.1f}"


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "0"


def _skew(seconds: float) -> Text:
    """How far a worker's wall clock is ahead of the server's."""
    return Text(f"{seconds:+.1f} s", style="yellow") if abs(seconds) > LARGEST_SKEW_S else Text("ok", style="green")


def _span(seconds: float) -> str:
    minutes, whole = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{whole:02d}s"
