"""Logs as JSON and on a console, without secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from cornerman_shared.process import logs
from cornerman_shared.redact import remember_url


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield
    root.handlers = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_lines_hold_bound_fields() -> None:
    out = io.StringIO()
    logs.configure("info", "auto", out, role="encoder", worker="w1")
    logs.get_logger("service").info("batch_encoded", chunks=3)
    line = json.loads(out.getvalue())
    assert line["event"] == "batch_encoded"
    assert (line["role"], line["worker"], line["part"], line["chunks"]) == ("encoder", "w1", "service", 3)
    assert line["level"] == "info"
    assert line["at"].endswith("Z")


def test_terminal_gets_text() -> None:
    out = Terminal()
    logs.configure("info", "auto", out)
    logs.get_logger("service").info("batch_encoded")
    assert "batch_encoded" in out.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(out.getvalue())


def test_lines_below_level_are_dropped() -> None:
    out = io.StringIO()
    logs.configure("warning", "json", out)
    logs.get_logger("service").info("batch_encoded")
    assert out.getvalue() == ""


def test_credentials_never_reach_a_line() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    logs.get_logger("x").info(
        "opened", url="rtsp://u:hunter2@cam/", token="hunter2", error=OSError("rtsp://u:hunter2@c")
    )
    assert "hunter2" not in out.getvalue()


def test_exception_is_in_the_line() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    try:
        raise ValueError("boo")
    except ValueError as error:
        logs.get_logger("x").error("crashed", exc_info=error)
    assert "ValueError: boo" in json.loads(out.getvalue())["exception"]


def test_library_logs_are_converted() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    logging.getLogger("uvicorn").warning("port %d is busy", 80)
    line = json.loads(out.getvalue())
    assert (line["event"], line["part"], line["message"]) == ("library_message", "uvicorn", "port 80 is busy")


def test_unknown_level_names_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'loud'.*debug, info, warning, error"):
        logs.configure("loud")


def test_repeated_library_messages_are_bounded() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    for number in range(500):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received. %d", number)
    logging.getLogger("uvicorn.error").warning("Something else")
    lines = [json.loads(line)["message"] for line in out.getvalue().splitlines()]
    assert len(lines) == logs.REPEATS + 1
    assert "left out for 60 s" in lines[-2]


def test_traceback_hides_remembered_secret() -> None:
    remember_url("rtsp://admin:hunter22/x@camera/live")
    out = io.StringIO()
    logs.configure("info", "json", out)
    try:
        raise ValueError("port 'hunter22' of hunter22/x")
    except ValueError:
        logs.get_logger("capture").exception("failed")
    assert "ValueError" in out.getvalue()
    assert "hunter22" not in out.getvalue()


def test_log_gets_no_escape_sequence() -> None:
    out = Terminal()
    logs.configure("info", "console", out)
    logs.get_logger("generator").warning("failed", cause="\x1b]52;c;aGk=\x07\ud83c")
    assert "\x1b]52" not in out.getvalue()
    out.getvalue().encode()
