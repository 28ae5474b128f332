"""Stdout carries results only; people get text, programs objects."""

import json

import pytest

from cornerman.local.run_output import RunOutput
from cornerman.local.summary import Tally

FEEDBACK = {
    "type": "feedback",
    "source_id": "cam1",
    "request_id": "cam1:r:1",
    "action": "correct",
    "pts_s": 65.0,
    "text": "Lower\nyour [bold]hips[/bold].",
    "ttft_ms": 100.0,
    "latency_ms": {"total": 1234.0},
}


def test_programs_get_one_object_a_line_and_nothing_else_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with RunOutput(as_json=True) as screen:
        screen.note("starting")
        screen.line(FEEDBACK)
        screen.child("encoder", "boo")
        screen.summary(1.0, {"cam1": Tally(captured=3)})
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["type"] for line in lines] == ["feedback", "summary"]
    assert lines[0] == FEEDBACK
    assert "starting" in err
    assert "encoder: boo" in err


def test_people_get_time_action_and_words_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    screen = RunOutput(as_json=False)
    screen.line(FEEDBACK)
    out = capsys.readouterr().out
    assert out == "01:05.0  correct   Lower your [bold]hips[/bold].  (1.2 s)\n"


def test_people_are_told_which_of_several_sources(capsys: pytest.CaptureFixture[str]) -> None:
    screen = RunOutput(as_json=False, many=True)
    screen.line(FEEDBACK)
    screen.line({"type": "error", "source_id": "cam2", "stage": "capture", "message": "gone"})
    screen.line({"type": "decision", "source_id": "cam1", "pts_s": 1.0})
    out = capsys.readouterr().out.splitlines()
    assert "cam1" in out[0]
    assert out[1] == "error at capture  cam2  gone"
    assert len(out) == 2


def test_what_is_noted_carries_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    screen = RunOutput(as_json=True)
    screen.note("watching rtsp://me:secret@cam/")
    screen.complain("lost rtsp://me:secret@cam/")
    assert "secret" not in "".join(capsys.readouterr())


def test_the_summary_for_people_names_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    RunOutput(as_json=False).summary(1.0, {"cam1": Tally(captured=312, due=7, dropped={"no_credit": 2}, decided=5)})
    out = capsys.readouterr().out
    assert "312" in out
    assert "cam1" in out
