"""Events as lines of stdout: exact fields, each failure once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cornerman.local.captions import captions
from cornerman.local.event_lines import EventLines, clock, latency_ms, read_lines
from cornerman_shared.bus.messages import (
    DeltaEvent,
    ErrorEvent,
    MistakeSeen,
    MovementSeen,
    StartEvent,
    StateEvent,
    Times,
)
from cornerman_shared.errors import ConfigError, SourceError
from tests.unit.cornerman.events import TIMES, decision_event, end_event

END = end_event(pts_s=2.53421, ttft_ms=300.04)
DECISION = decision_event(pts_s=2.53421, action="next", confidence=0.98765432, reason="cooling down")


def test_decision_line_has_exact_fields() -> None:
    assert EventLines().of(DECISION) == {
        "type": "decision",
        "source_id": "cam1",
        "run": "r1",
        "seq": 4,
        "pts_s": 2.534,
        "action": "next",
        "confidence": 0.9877,
        "reason": "cooling down",
    }


def test_feedback_line_has_exact_fields() -> None:
    assert EventLines().of(END) == {
        "type": "feedback",
        "source_id": "cam1",
        "request_id": "cam1:r1:4",
        "action": "correct",
        "pts_s": 2.534,
        "text": "Lower your hips.",
        "ttft_ms": 300.0,
        "picture_age_s": 0.12,
        "latency_ms": {
            "published": 10.0,
            "encoded": 100.0,
            "decided": 10.0,
            "first_token": 300.0,
            "done": 580.0,
            "total": 1000.0,
        },
    }


def test_unreached_stage_is_left_out() -> None:
    assert latency_ms(replace(TIMES, first_token_at_s=0.0)) == {
        "published": 10.0,
        "encoded": 100.0,
        "decided": 10.0,
        "done": 880.0,
        "total": 1000.0,
    }
    assert latency_ms(Times()) == {}
    assert latency_ms(Times(captured_at_s=1.0)) == {}


def test_empty_end_is_not_feedback() -> None:
    lines = EventLines()
    assert lines.of(replace(END, status="expired")) is None
    assert lines.of(replace(END, status="cancelled")) is None


def test_silent_end_has_empty_text() -> None:
    line = EventLines().of(replace(END, silent=True))
    assert line is not None
    assert (line["type"], line["text"], line["silent"]) == ("feedback", "", True)


def test_starts_and_deltas_give_nothing() -> None:
    lines = EventLines()
    start = StartEvent("cam1", "r1", "q", 1, "feedback", "next", 0.0, "", "m", TIMES)
    assert lines.of(start) is None
    assert lines.of(DeltaEvent("cam1", "r1", "q", 1, "word", TIMES)) is None


def test_failed_request_is_one_error() -> None:
    failed = replace(END, status="failed", cause="out of memory")
    error = ErrorEvent("cam1", "r1", "generator", "out of memory", 101.0, request_id=END.request_id)
    wanted = {"type": "error", "source_id": "cam1", "stage": "generator", "message": "out of memory"}
    for first, second in ((failed, error), (error, failed)):
        lines = EventLines()
        assert lines.of(first) == wanted
        assert lines.of(second) is None


def test_errors_without_request_repeat() -> None:
    lines = EventLines()
    error = ErrorEvent("cam1", "r1", "encoder", "boo", 1.0)
    assert lines.of(error) is not None
    assert lines.of(error) is not None


def test_failed_source_hides_its_password() -> None:
    lines = EventLines()
    assert lines.of(StateEvent("cam1", "r1", "failed", "cannot open rtsp://u:secret@cam/", 1.0)) is None
    line = lines.of(ErrorEvent("cam1", "r1", "capture", "cannot open rtsp://u:secret@cam/", 1.0))
    assert line == {
        "type": "error",
        "source_id": "cam1",
        "stage": "capture",
        "message": "cannot open rtsp://***@cam/",
    }


def test_clock_shows_minutes_and_tenths() -> None:
    assert [clock(pts) for pts in (0, 9.96, 75.25, 3661.0)] == ["00:00.0", "00:09.9", "01:15.2", "1:01:01.0"]


def test_unreadable_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No such file or directory.*run --json"):
        read_lines(tmp_path / "nothing.jsonl")
    (tmp_path / "text.jsonl").write_text("some text")
    with pytest.raises(ConfigError, match="cannot be read as JSON lines"):
        read_lines(tmp_path / "text.jsonl")
    (tmp_path / "list.jsonl").write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match="line 1: not a JSON object"):
        read_lines(tmp_path / "list.jsonl")


def test_file_text_is_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"text": "up \\ud83c \\u001b]52;c;aGk=", "list": ["\\u009b1m"]}\n', encoding="utf-8")
    assert read_lines(path) == [{"text": "up \ufffd ]52;c;aGk=", "list": ["1m"]}]


def test_file_words_may_hold_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"text": "a\u2028b\u2029c"}\n\n{"text": "d"}\r\n', encoding="utf-8")
    assert read_lines(path) == [{"text": "a\u2028b\u2029c"}, {"text": "d"}]
    path.write_text("", encoding="utf-8")
    assert read_lines(path) == []


def test_decision_line_says_what_it_is_about() -> None:
    mistake = MistakeSeen("too_shallow", "knee", 0.83333, ("hips", "knees"))
    seen = MovementSeen("squat", 0.9, 8, 0.5, True, (mistake,), 1.0, "whole", (), (), "side", 1, "the only person", ())
    decided, said = EventLines().of(decision_event(about=seen)), EventLines().of(end_event())
    assert decided is not None and said is not None
    assert (decided["about"]["exercise"], decided["about"]["repetitions"]) == ("squat", 8)
    assert decided["about"]["mistakes"] == [
        {"name": "too_shallow", "joint": "knee", "probability": 0.833, "landmarks": ("hips", "knees"), "say": ""}
    ]
    known = [decided, {**said, "request_id": f"{decided['source_id']}:{decided['run']}:{decided['seq']}"}]
    assert captions(known)[0].about == "squat, 8 repetitions; last one too shallow; whole body in view"
    assert "about" not in (EventLines().of(decision_event()) or {})
