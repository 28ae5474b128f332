"""Transcripts and the report."""

from __future__ import annotations

import json
from dataclasses import replace

from cornerman_gateway.session_report import make_report, spread, to_html
from cornerman_gateway.transcript import lines, to_jsonl, to_vtt
from cornerman_shared.bus.messages import (
    Action,
    DecisionEvent,
    EndEvent,
    EndStatus,
    Event,
    MovementSeen,
    RequestKind,
    Times,
)


def end(
    pts_s: float,
    text: str,
    action: Action = "correct",
    kind: RequestKind = "feedback",
    status: EndStatus = "done",
    silent: bool = False,
    run: str = "r",
) -> EndEvent:
    times = Times(100.0, 100.1, 100.2, 100.25, 100.6, 101.6)
    return EndEvent(
        "cam",
        run,
        f"cam:{run}:{pts_s}",
        1,
        kind,
        action,
        status,
        pts_s,
        "p",
        text,
        silent,
        "",
        "m",
        10,
        20,
        350.0,
        times,
        tokens_per_s=20.0,
    )


def rows(*events: Event) -> list[tuple[str, Event]]:
    return [(f"{index}-0", event) for index, event in enumerate(events, 1)]


SAID = rows(
    end(3.5, "Go deeper."),
    end(9.0, "Good <b>&</b> --> steady.", action="feedback"),
    end(9.5, "", silent=True),
    end(10.0, "out of memory", status="failed"),
    end(3700.0, "Seven.", kind="question"),
    end(1.0, "Other run.", run="old"),
)


def test_subtitles_are_valid_webvtt() -> None:
    text = to_vtt(lines(SAID, "r"), "demo --> run")
    assert text.startswith("WEBVTT\n\n")
    assert "demo -> run" in text
    assert "00:00:03.500 --> 00:00:05.500\n<c.correction>Go deeper.</c>" in text
    assert "<c.praise>Good &lt;b&gt;&amp;&lt;/b&gt; --&gt; steady.</c>" in text
    assert "01:01:40.000 --> 01:01:42.000\n<c.answer>Seven.</c>" in text
    assert "Other run." not in text
    assert "memory" not in text


def test_cues_never_overlap() -> None:
    text = to_vtt(lines(rows(end(1.0, "one " * 40), end(2.0, "two"))), "t")
    assert "00:00:01.000 --> 00:00:02.000" in text


def test_json_lines_carry_the_measured_times() -> None:
    first = json.loads(to_jsonl(lines(SAID, "r")).splitlines()[0])
    assert first["kind"] == "correction"
    assert abs(first["latency_ms"] - 600) < 0.1
    assert first["tokens_per_s"] == 20.0


def test_the_report_counts_what_happened() -> None:
    decision = DecisionEvent(
        "cam", "r", 0, 3.5, "correct", 0.9, "bent", "head", 0.2, "ok", Times(100.0, 100.02, 100.05, 100.06)
    )
    report = make_report("cam", "r", [*SAID, *rows(decision)], {"captured": 30}, 1_700_000_000.0)
    assert report.said == {"correction": 1, "praise": 1, "failed": 1, "answer": 1}
    assert report.decisions == {"correct": 1}
    assert report.made_at == "2023-11-14T22:13:20+00:00"
    assert report.stages_ms["encoded"].median == 30.0
    assert report.first_token_ms is not None and report.first_token_ms.median == 350.0


def test_nothing_measured_is_null_not_zero() -> None:
    assert spread([]) is None
    assert make_report("cam", "r", [], {}, 0.0).first_token_ms is None


def test_spread_is_by_nearest_rank() -> None:
    found = spread([float(n) for n in range(1, 101)])
    assert found is not None
    assert (found.median, found.p95, found.largest) == (50.5, 95.0, 100.0)


def test_report_page_escapes_all_text() -> None:
    evil = "<script>alert(1)</script>\"'"
    events = rows(end(1.0, evil))
    html = to_html(make_report("cam", "r", events, {"<img>": 1}, 0.0), events)
    assert "<script" not in html
    assert "<img>" not in html
    assert "&lt;script&gt;" in html


def test_subtitles_say_what_they_are_about() -> None:
    seen = MovementSeen("squat", 0.9, 8, 0.5, True, (), 1.0, "whole", (), (), "side", 1, "the only person", ())
    decided = DecisionEvent("cam", "r", 3, 3.5, "feedback", 0.9, "good", "skeleton", 0.1, "ok", Times(), seen)
    said = end(3.5, "Eight good squats.", action="feedback")
    text = to_vtt(lines(rows(decided, replace(said, request_id="cam:r:3"), end(9.0, "Hips."))), "")
    cue = "NOTE squat, 8 repetitions; no mistake seen; whole body in view\n\n00:00:03.500 --> "
    assert cue in text and text.count("NOTE") == 1
