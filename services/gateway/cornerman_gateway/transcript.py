"""Transcript of a run as rows, WebVTT and JSON lines. Pure: events in, text out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cornerman_gateway.core import to_json
from cornerman_media.webvtt import Cue, webvtt
from cornerman_pose.facts import facts_line
from cornerman_shared.bus.messages import DecisionEvent, EndEvent, Event

SHORTEST_S = 2.0
LONGEST_S = 8.0
CHARACTERS_PER_S = 15.0
"""Reading speed that subtitles are made for (Netflix's and the BBC's style guides: 15 to 17)."""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One reply of a run."""

    event_id: str
    run: str
    pts_s: float
    kind: str  # correction | praise | comment | answer | failed
    text: str
    prompt: str
    request_id: str
    ttft_ms: float
    latency_ms: float  # capture -> first token
    tokens: int
    tokens_per_s: float
    about: str = ""  # the movement that the words are about; empty = unknown


def kind_of(event: EndEvent) -> str:
    """The kind of a reply, for styling."""
    if event.status != "done":
        return event.status
    if event.kind == "question":
        return "answer"
    return "correction" if event.action == "correct" else "praise"


def line_of(event_id: str, event: EndEvent, about: str = "") -> TranscriptLine:
    """The row of one end; `about` is the movement of its decision."""
    times = event.times
    started = times.first_token_at_s
    return TranscriptLine(
        event_id=event_id,
        run=event.run,
        pts_s=event.pts_s,
        kind=kind_of(event),
        text=event.text if event.status == "done" else event.cause,
        prompt=event.prompt,
        request_id=event.request_id,
        ttft_ms=event.ttft_ms,
        latency_ms=(started - times.captured_at_s) * 1000 if started and times.captured_at_s else 0.0,
        tokens=event.n_output_tokens,
        tokens_per_s=event.tokens_per_s,
        about=about,
    )


def lines(events: Iterable[tuple[str, Event]], run: str = "") -> list[TranscriptLine]:
    """Replies of `run` (empty = of every run), without silent ones."""
    found, about = [], dict[str, str]()
    for event_id, event in events:
        if isinstance(event, DecisionEvent) and event.about is not None and event.action != "next":
            about[f"{event.source_id}:{event.run}:{event.seq}"] = facts_line(event.about)
        if isinstance(event, EndEvent) and not event.silent and run in ("", event.run):
            found.append(line_of(event_id, event, about.get(event.request_id, "")))
    return found


def to_vtt(rows: Iterable[TranscriptLine], title: str) -> str:
    """WebVTT (W3C): one cue per reply on the run's media time, its kind as a class."""
    said = sorted(
        (row for row in rows if row.text and row.kind in ("correction", "praise", "answer")), key=lambda r: r.pts_s
    )
    cues = []
    for index, row in enumerate(said):
        length_s = min(max(len(row.text) / CHARACTERS_PER_S, SHORTEST_S), LONGEST_S)
        if index + 1 < len(said):
            length_s = max(min(length_s, said[index + 1].pts_s - row.pts_s), 0.1)
        cues.append(Cue(row.pts_s, row.pts_s + length_s, row.text, style=row.kind, note=row.about))
    return webvtt(cues, note=title)


def to_jsonl(rows: Iterable[TranscriptLine]) -> str:
    """One JSON object a line."""
    return "".join(to_json({name: getattr(row, name) for name in TranscriptLine.__slots__}) + "\n" for row in rows)
