"""Output: JSON objects for programs, text for people, only results on stdout."""

import json

import pytest

from cornerman.local.counts import SourceCounts
from cornerman.local.run_output import RunOutput
from cornerman_shared.process.logs import Format

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


def test_json_output_has_objects_only(capsys: pytest.CaptureFixture[str]) -> None:
    with RunOutput(as_json=True) as output:
        output.note("starting")
        output.line(FEEDBACK)
        output.child("encoder", "boo")
        output.summary(1.0, {"cam1": SourceCounts(captured=3)})
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["type"] for line in lines] == ["feedback", "summary"]
    assert lines[0] == FEEDBACK
    assert "starting" in err
    assert "encoder: boo" in err


def test_text_output_escapes_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output = RunOutput(as_json=False)
    output.line(FEEDBACK)
    out = capsys.readouterr().out
    assert out == "01:05.0  correct   Lower your [bold]hips[/bold].  (1.2 s)\n"


def test_text_output_names_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    output = RunOutput(as_json=False, many=True)
    output.line(FEEDBACK)
    output.line({"type": "error", "source_id": "cam2", "stage": "capture", "message": "gone"})
    output.line({"type": "decision", "source_id": "cam1", "pts_s": 1.0})
    out = capsys.readouterr().out.splitlines()
    assert "cam1" in out[0]
    assert out[1] == "error at capture  cam2  gone"
    assert len(out) == 2


def test_notes_hide_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    output = RunOutput(as_json=True)
    output.note("watching rtsp://me:secret@cam/")
    output.complain("lost rtsp://me:secret@cam/")
    assert "secret" not in "".join(capsys.readouterr())


def test_summary_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    RunOutput(as_json=False).summary(
        1.0, {"cam1": SourceCounts(captured=312, due=7, dropped={"no_credit": 2}, decided=5)}
    )
    out = capsys.readouterr().out
    assert "312" in out
    assert "cam1" in out


def test_terminal_gets_no_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    clipboard = "\x1b]52;c;aGk=\x07\x9b31m\ud83c"
    output = RunOutput(as_json=False)
    output.line({**FEEDBACK, "text": clipboard})
    output.line({"type": "error", "source_id": "cam1", "stage": "generator", "message": clipboard})
    output.note(clipboard)
    output.complain(clipboard)
    output.child("encoder", clipboard)
    shown = "".join(capsys.readouterr())
    assert "52;c" in shown
    assert not set("\x1b\x07\x9b\ud83c") & set(shown)


LOGGED = json.dumps(
    {"at": "2026-11-26T12:28:41Z", "role": "encoder", "event": "encoder_ready", "model": "tiny", "part": "encoder"}
)


@pytest.mark.parametrize(("form", "plain"), [("auto", False), ("json", False), ("console", True)])
def test_log_lines_follow_the_setting(capsys: pytest.CaptureFixture[str], form: Format, plain: bool) -> None:
    output = RunOutput(as_json=False, progress=False)
    output.log_form = form
    output.child("encoder", LOGGED)
    err = capsys.readouterr().err
    assert (err == LOGGED + "\n") is not plain
    assert ("encoder    encoder ready  model=tiny" in err) is plain


def test_log_lines_keep_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    output = RunOutput(as_json=False, progress=False)
    output.log_form = "console"
    output.child("encoder", json.dumps({"event": "crash", "exception": "Traceback\n  File x\nOSError: [a]\x1b[2J"}))
    assert capsys.readouterr().err.splitlines()[-2:] == ["  File x", "OSError: [a][2J"]


def test_native_information_is_for_the_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    output = RunOutput(as_json=False)
    output.native = False
    output.child("encoder", "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
    assert capsys.readouterr().err == ""
    output.native = True
    output.child("encoder", "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
    assert "XNNPACK" in capsys.readouterr().err
