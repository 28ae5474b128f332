"""A session in numbers and as one self-contained page: replies, latencies, drops. Pure."""

from __future__ import annotations

import base64
import html
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import BaseModel, Field

from cornerman_gateway.transcript import TranscriptLine, lines
from cornerman_shared.bus.messages import DecisionEvent, Event

WIDTH, HEIGHT = 960, 90
NO_STILLS: Final[Mapping[str, str]] = MappingProxyType({})


class LatencySpread(BaseModel):
    """Spread of a set of measurements."""

    n: int
    median: float
    p95: float
    largest: float


class SessionReport(BaseModel):
    """One run of one source. Times in milliseconds; null where nothing was measured."""

    source_id: str
    run: str
    made_at: Annotated[str, Field(description="ISO 8601, UTC")]
    media_s: Annotated[float, Field(description="media time of the last decision, seconds")]
    decisions: dict[str, int]
    said: dict[str, int]
    counters: dict[str, int]
    capture_to_first_word_ms: LatencySpread | None
    first_token_ms: LatencySpread | None
    tokens_per_s: LatencySpread | None
    stages_ms: dict[str, LatencySpread]


def spread(values: Sequence[float]) -> LatencySpread | None:
    """Median, 95th percentile (nearest rank) and largest; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)]
    return LatencySpread(
        n=len(ordered), median=round(statistics.median(ordered), 3), p95=round(p95, 3), largest=round(ordered[-1], 3)
    )


def make_report(
    source_id: str, run: str, events: Iterable[tuple[str, Event]], counters: Mapping[str, int], now_s: float
) -> SessionReport:
    """The numbers of `run`."""
    rows = [item for item in events if item[1].run == run]
    decided = [event for _, event in rows if isinstance(event, DecisionEvent)]
    said = lines(rows, run)
    stages: dict[str, list[float]] = {"published": [], "encoded": [], "decided": []}
    for event in decided:
        times = event.times
        marks = (times.captured_at_s, times.published_at_s, times.encoded_at_s, times.decided_at_s)
        for name, before, after in zip(stages, marks, marks[1:], strict=False):
            if before and after:
                stages[name].append((after - before) * 1000)
    return SessionReport(
        source_id=source_id,
        run=run,
        made_at=datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds"),
        media_s=round(max((event.pts_s for event in decided), default=0.0), 3),
        decisions=dict(Counter(event.action for event in decided)),
        said=dict(Counter(row.kind for row in said)),
        counters=dict(counters),
        capture_to_first_word_ms=spread([row.latency_ms for row in said if row.latency_ms]),
        first_token_ms=spread([row.ttft_ms for row in said if row.ttft_ms]),
        tokens_per_s=spread([row.tokens_per_s for row in said if row.tokens_per_s]),
        stages_ms={name: found for name, values in stages.items() if (found := spread(values))},
    )


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1e26;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #dde1e8;vertical-align:top}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}.correction{border-left:4px solid #b45f06}
.praise{border-left:4px solid #1f7a4d}.answer{border-left:4px solid #1f5fbf}.failed{border-left:4px solid #b3261e}
svg{width:100%;height:auto;background:#f4f6f9;border-radius:6px}img{width:10rem;border-radius:4px}
video{width:100%;max-height:30rem;background:#000;border-radius:6px}
h1,h2{break-after:avoid}tr,svg{break-inside:avoid}@page{margin:16mm}
@media print{body{margin:0;padding:0;max-width:none;font-size:11pt}video{display:none}img{width:7rem}}
"""


def to_html(
    report: SessionReport,
    events: Iterable[tuple[str, Event]],
    stills: Mapping[str, str] = NO_STILLS,
    video: str = "",
    words_vtt: str = "",
    offset_s: float = 0.0,
) -> str:
    """The report as one self-contained page: no script, nothing fetched, every text escaped.

    Args:
        report: its numbers.
        events: of the run.
        stills: pictures as data: URLs, by request id.
        video: file beside the page that is shown in it; "" = none.
        words_vtt: its subtitles.
        offset_s: time of the video at media time 0, seconds; added to the times of the words.
    """
    rows = [item for item in events if item[1].run == report.run]
    said = lines(rows, report.run)
    esc = html.escape
    numbers = [("media time", f"{report.media_s:.1f} s")]
    numbers += [(f"decisions: {name}", str(n)) for name, n in sorted(report.decisions.items())]
    numbers += [(f"said: {name}", str(n)) for name, n in sorted(report.said.items())]
    for name, found in (
        ("capture to first word", report.capture_to_first_word_ms),
        ("first token", report.first_token_ms),
        *((f"stage: {name}", found) for name, found in report.stages_ms.items()),
    ):
        if found:
            numbers.append(
                (name, f"median {found.median:.0f} ms, p95 {found.p95:.0f} ms, largest {found.largest:.0f} ms")
            )
    numbers += [(name, str(n)) for name, n in sorted(report.counters.items())]
    table = "".join(f"<tr><th>{esc(name)}</th><td class=n>{esc(value)}</td></tr>" for name, value in numbers)
    words = "".join(_row(row, stills, offset_s) for row in said)
    decided = [event for _, event in rows if isinstance(event, DecisionEvent)]
    title = esc(f"Cornerman session: {report.source_id}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>Run {esc(report.run)}, report made {esc(report.made_at)}.</p>"
        f"{_player(video, words_vtt)}"
        f"<h2>Timeline</h2>{_timeline(decided, said, offset_s)}"
        f"<h2>What was said</h2><table><tr><th>at</th><th>kind</th><th>words</th><th></th></tr>{words}"
        f"</table>"
        f"<h2>Numbers</h2><table>{table}</table></html>\n"
    )


def _row(row: TranscriptLine, stills: Mapping[str, str], offset_s: float) -> str:
    still = stills.get(row.request_id, "")
    picture = f'<img src="{html.escape(still)}" alt="the picture that the words are about">' if still else ""
    return (
        f'<tr class="{html.escape(row.kind)}"><td class=n>{max(0.0, row.pts_s + offset_s):.1f} s</td>'
        f"<td>{html.escape(row.kind)}</td><td>{html.escape(row.text)}</td><td>{picture}</td></tr>"
    )


def _player(video: str, words_vtt: str) -> str:
    if not video:
        return ""
    # Subtitles in a file of their own are refused to a page that was opened from a disk.
    track = base64.b64encode(words_vtt.encode("utf-8")).decode("ascii")
    return (
        f'<video controls preload=metadata src="{html.escape(video)}"><track default kind=subtitles srclang=en '
        f'label=words src="data:text/vtt;base64,{track}"></video>'
    )


def _timeline(decided: Sequence[DecisionEvent], said: Sequence[TranscriptLine], offset_s: float) -> str:
    end_s = max([event.pts_s for event in decided] + [row.pts_s for row in said], default=0.0) + offset_s
    scale = WIDTH / end_s if end_s > 0 else 0.0

    def x(pts_s: float) -> str:
        return f"{max(0.0, pts_s + offset_s) * scale:.1f}"

    colours = {"correction": "#b45f06", "praise": "#1f7a4d", "answer": "#1f5fbf"}
    step = max(1, len(decided) // WIDTH)
    bars = "".join(
        f'<rect x="{x(event.pts_s)}" y="{HEIGHT - event.confidence * 40:.1f}" width="2" '
        f'height="{event.confidence * 40:.1f}" fill="#b8c0cc"/>'
        for event in decided[::step]
    )
    marks = "".join(
        f'<rect x="{x(row.pts_s)}" y="5" width="4" height="{HEIGHT - 5}" '
        f'fill="{colours.get(row.kind, "#b3261e")}"><title>{html.escape(row.text)}</title></rect>'
        for row in said
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="decisions and words over time">{bars}{marks}</svg>'
    )
