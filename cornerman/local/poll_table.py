"""What a polling session prints at its end: figures, a table of the intervals, and where the files are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cornerman.local.poll_session import PollSession, benchmark_rows
from cornerman.local.run_output import WIDTH
from cornerman.local.status_table import plain_table

if TYPE_CHECKING:
    from cornerman.local.poll_run import PollResult


def print_result(result: PollResult, *, as_json: bool, benchmark: bool) -> None:
    """Prints the session's figures for people; with JSON on stdout only the files, on stderr."""
    width = None if sys.stdout.isatty() else WIDTH
    console = Console(stderr=as_json, soft_wrap=True, highlight=False, markup=False, width=width)
    if not as_json:
        for line in figures(result.session):
            console.print(line)
        if benchmark:
            console.print(_interval_table(result.session))
    for name, path in result.files.items():
        console.print(f"{name:<10}{path}")


def figures(session: PollSession) -> list[str]:
    """The figures of a session in a few lines."""
    summary = session.summary()
    latency, first, rate = (summary[name] for name in ("latency_ms", "time_to_first_token_ms", "tokens_per_second"))
    lines = [f"{summary['total_polls']} polls, {summary['successful_polls']} answered, {_skipped(summary)}"]
    if latency["median"] is not None:
        lines.append(f"latency      median {latency['median']:.0f} ms, p95 {latency['p95']:.0f} ms")
    if first["median"] is not None:
        lines.append(f"first token  median {first['median']:.0f} ms, p95 {first['p95']:.0f} ms")
    if rate["mean"] is not None:
        lines.append(f"tokens/s     mean {rate['mean']:.1f}, max {rate['max']:.1f}")
    if memory := summary["gpu_memory"]:
        lines.append(f"GPU memory   {memory['peak_bytes'] / 1e9:.2f} GB at most")
    return lines


def _skipped(summary: dict[str, Any]) -> str:
    reasons = ", ".join(f"{name} {count}" for name, count in summary["skipped_by_reason"].items())
    unfinished = f", {summary['unfinished_polls']} still running" if summary["unfinished_polls"] else ""
    return f"{summary['skipped_polls']} not asked" + (f" ({reasons})" if reasons else "") + unfinished


def _interval_table(session: PollSession) -> Any:
    table = plain_table("INTERVAL", "MEASURED", "POLLS", "FAILED", "LATENCY", "P95", "TTFT", "TOKENS/S")
    for row in benchmark_rows(session):
        table.add_row(
            f"{row['polling_interval']:g} s",
            _shown(row["measured_interval_s"], " s", 2),
            str(row["num_polls"]),
            str(row["failed_polls"]),
            _shown(row["latency_median_ms"], " ms"),
            _shown(row["latency_p95_ms"], " ms"),
            _shown(row["ttft_median_ms"], " ms"),
            _shown(row["tokens_per_second"], "", 1),
        )
    return table


def _shown(value: float | None, unit: str, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"
