"""The log file of a session, and what the terminal shows beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornerman.local.session_log import LoggedOutput, SessionLog
from cornerman_shared.errors import ConfigError


def child_line(level: str, event: str, **fields: object) -> str:
    return json.dumps({"at": "2026", "level": level, "role": "encoder", "event": event, **fields})


@pytest.mark.parametrize(("verbose", "shown"), [(False, {"sore"}), (True, {"sore", "ready"})])
def test_terminal_shows_less_than_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verbose: bool, shown: set[str]
) -> None:
    log = SessionLog(tmp_path / "logs" / "one.log")
    output = LoggedOutput(log, as_json=True, verbose=verbose)
    output.child("encoder", child_line("info", "ready", model="tiny"))
    output.child("encoder", child_line("warning", "sore", message="at rtsp://me:secret@host/"))
    output.child("encoder", "Traceback: no JSON")
    output.note("begins")
    output.line({"type": "poll", "poll_index": 0, "response": "long words"})
    log.close()
    lines = log.path.read_text().splitlines()
    assert [line.split(" | ", 1)[1] for line in lines] == [
        "INFO     | encoder | ready model='tiny'",
        "WARNING  | encoder | sore message='at rtsp://***@host/'",
        "ERROR    | cornerman | encoder: Traceback: no JSON",
        "INFO     | cornerman | begins",
        "INFO     | poll | poll_index=0",
    ]
    told = capsys.readouterr()
    assert {event for event in ("ready", "sore") if event in told.err} == shown
    assert json.loads(told.out)["response"] == "long words"


def test_unwritable_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--log-dir .*file.*cannot be written"):
        SessionLog(tmp_path / "file" / "one.log")
