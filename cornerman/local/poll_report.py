"""A session of polls as one HTML file: figures, charts, pictures and words. No script, nothing is fetched. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from cornerman.local.poll_records import PARTS, STATISTICS, PollRecord
from cornerman.local.poll_session import PollSession, benchmark_rows
from cornerman.local.svg_charts import CHART_STYLE, Bar, bar_chart, legend

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fff; --soft: #f4f6f9; --line: #d5dbe4; --bad: #b3261e;
  --label: #566173; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --paper: #161a21; --soft: #1f252e;
  --line: #38414f; --bad: #ff8a80; --label: #a3aec0; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 64rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } p { margin: .3rem 0; }
.label { color: var(--label); } .bad { color: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--soft); border-radius: 8px; padding: .6rem .9rem; min-width: 8.5rem; }
.tiles b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
td, th { padding: .35rem .7rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--label); white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td img { display: block; width: 132px; height: auto; border-radius: 6px; }
h1, h2 { break-after: avoid; } tr, svg, .tiles { break-inside: avoid; } thead { display: table-header-group; }
@page { margin: 16mm; }
@media print { :root { color-scheme: light; } body { margin: 0; max-width: none; padding: 0; font-size: 10pt; } }
.words { min-width: 18rem; } .key { white-space: nowrap; margin-right: .9rem; }
"""

_HEAD: Final = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "style-src 'unsafe-inline'\">"
)

PART_NAMES: Final = {
    "frame_extraction_time": "frame extraction",
    "preprocessing_time": "preprocessing",
    "encoding_time": "encoding",
    "time_to_first_token": "time to first token",
    "generation_time": "generation",
    "waiting_time": "waiting",
}


def poll_report(session: PollSession, title: str = "Polling") -> str:
    """The page of a session."""
    summary = session.summary()
    when = datetime.fromtimestamp(session.start_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    parts = [
        f"<h1>{escape(title)}: {escape(session.video_source)}</h1>",
        f'<p class="label">{when}, {summary["duration_seconds"]:.0f} s, session {escape(session.session_id)}</p>',
        f"<p>{escape(session.prompt)}</p>",
        _tiles(summary),
        _charts(session.polls, summary),
        _intervals(session),
        _statistics(summary),
        _polls(session),
        _named("Errors", {cause: f"{count}" for cause, count in summary["errors_by_cause"].items()}),
        _named("Polls that were not asked", {name: f"{count}" for name, count in session.skipped.items()}),
        _named("Settings", session.settings),
        _named("Models", {role: _in_words(models) for role, models in session.workers.items()}),
        _named("Machine", session.machine),
    ]
    head = f"{_HEAD}<title>{escape(title)} {escape(session.session_id)}</title><style>{_STYLE}{CHART_STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _tiles(summary: Mapping[str, Any]) -> str:
    latency, first, rate = (summary[name] for name in ("latency_ms", "time_to_first_token_ms", "tokens_per_second"))
    memory = summary["gpu_memory"]
    tiles = {
        "polls answered": f"{summary['successful_polls']} of {summary['total_polls']}",
        **({"still running at the end": f"{summary['unfinished_polls']}"} if summary["unfinished_polls"] else {}),
        "latency, median": _number(latency["median"], "ms"),
        "latency, p95": _number(latency["p95"], "ms"),
        "first token, median": _number(first["median"], "ms"),
        "first token, p95": _number(first["p95"], "ms"),
        "tokens/s, mean": _number(rate["mean"], "", 1),
        "tokens in, out": f"{summary['total_input_tokens']:,} / {summary['total_output_tokens']:,}",
        "GPU memory, peak": _number(memory["peak_bytes"] / 1e9, "GB", 2) if memory else "no GPU",
    }
    items = "".join(f"<li>{escape(name)}<b>{escape(value)}</b></li>" for name, value in tiles.items())
    return f'<ul class="tiles">{items}</ul>'


def _charts(polls: Sequence[PollRecord], summary: Mapping[str, Any]) -> str:
    if not polls:
        return "<p>There was no poll.</p>"

    def bars(*names: str, scale: float = 1000) -> list[Bar]:
        return [
            Bar(
                str(poll.poll_index),
                tuple(None if (value := getattr(poll, name)) is None else value * scale for name in names),
                _hint(poll),
                failed=not poll.done,
            )
            for poll in polls
        ]

    def marks(statistics: Mapping[str, float | None]) -> list[tuple[str, float]]:
        return [(f"{name} {value:.0f}", value) for name in ("median", "p95") if (value := statistics[name]) is not None]

    latency, first = summary["latency_ms"], summary["time_to_first_token_ms"]
    return "".join(
        (
            "<h2>Latency of each poll, by part</h2>",
            legend(list(PART_NAMES.values())),
            _wide(bar_chart("Latency of each poll by part", "ms", bars(*PARTS), marks(latency))),
            "<h2>Time to first token</h2>",
            _wide(bar_chart("Time to first token", "ms", bars("time_to_first_token"), marks(first), first_class=3)),
            "<h2>Tokens a second, from the first token to the last</h2>",
            _wide(bar_chart("Tokens a second", "1/s", bars("tokens_per_second", scale=1), first_class=4)),
            '<p class="label">Horizontal: number of the poll. A red mark is a poll without an answer.</p>',
        )
    )


def _hint(poll: PollRecord) -> str:
    if not poll.done:
        return f"poll {poll.poll_index} at {poll.pts_s:g} s: {poll.cause or poll.status}"
    times = ", ".join(f"{PART_NAMES[name]} {_milliseconds(getattr(poll, name))}" for name in PARTS)
    return f"poll {poll.poll_index} at {poll.pts_s:g} s, {_milliseconds(poll.total_inference_time)}: {times}"


def _intervals(session: PollSession) -> str:
    rows = benchmark_rows(session)
    if len(rows) < 2:
        return ""
    columns = ("interval", "measured", "polls", "failed", "latency, median", "latency, p95", "first token", "tokens/s")
    body = [
        [
            f"{row['polling_interval']:g} s",
            _number(row["measured_interval_s"], "s", 2),
            f"{row['num_polls']}",
            f"{row['failed_polls']}",
            _number(row["latency_median_ms"], "ms"),
            _number(row["latency_p95_ms"], "ms"),
            _number(row["ttft_median_ms"], "ms"),
            _number(row["tokens_per_second"], "", 1),
        ]
        for row in rows
    ]
    return f"<h2>Intervals</h2>{_table(columns, body)}"


def _statistics(summary: Mapping[str, Any]) -> str:
    named = {
        "latency, ms": summary["latency_ms"],
        **{f"{PART_NAMES[name]}, ms": summary["parts_ms"][name] for name in PARTS},
        "tokens/s": summary["tokens_per_second"],
        "measured interval, s": summary["measured_interval_s"],
    }
    rows = [[name, *(_number(found[one], "", 2) for one in STATISTICS)] for name, found in named.items()]
    return f"<h2>Statistics</h2>{_table(['', *STATISTICS], rows)}"


def _polls(session: PollSession) -> str:
    rows = []
    for poll in session.polls:
        jpeg = session.thumbnails.get(poll.poll_index)
        picture = (
            f'<img alt="picture of poll {poll.poll_index}" '
            f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
            if jpeg
            else ""
        )
        words = escape(poll.response) if poll.done else f'<span class="bad">{escape(poll.cause or poll.status)}</span>'
        again = f'<p class="label">the same words as poll {poll.repeats}</p>' if poll.repeats is not None else ""
        numbers = (
            _milliseconds(poll.total_inference_time),
            _milliseconds(poll.time_to_first_token),
            _number(poll.tokens_per_second, "", 1),
            f"{poll.input_tokens} / {poll.output_tokens}",
            f"{poll.frames_processed}",
        )
        rows.append(
            f'<tr><td class="n">{poll.poll_index}</td><td class="n">{poll.pts_s:.1f} s</td><td>{picture}</td>'
            f'<td class="words">{words}{again}</td>' + "".join(f'<td class="n">{one}</td>' for one in numbers) + "</tr>"
        )
    names = ("poll", "at", "picture", "words", "latency", "first token", "tokens/s", "tokens in / out", "frames")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<h2>Polls</h2><div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _named(title: str, values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape('-' if value is None else str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<h2>{escape(title)}</h2><table>{rows}</table>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *rest = columns
    head = f"<th>{escape(first)}</th>" + "".join(f'<th class="n">{escape(name)}</th>' for name in rest)
    body = "".join(
        f"<tr><td>{escape(first)}</td>" + "".join(f'<td class="n">{escape(cell)}</td>' for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _wide(content: str) -> str:
    """Content that scrolls sideways on a narrow screen."""
    return f'<div class="wide">{content}</div>'


def _in_words(models: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in models.items() if value and name != "abilities")


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


def _number(value: float | None, unit: str, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f} {unit}".strip()
