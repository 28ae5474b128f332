"""Log lines of services as text for people: `12:28:41  encoder    encoder ready  model=blazepose-full`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.text import Text

STYLES: Final = {"warning": "yellow", "error": "red", "critical": "red"}
SHOWN: Final = ("at", "role", "event", "level", "message", "exception")
UNSAID: Final = ("part", "worker", "pid", "incarnation", "generation", "drain_s")
"""Fields that only a machine needs."""


def log_fields(line: str) -> dict[str, Any]:
    """The fields of a JSON log line; empty for any other line."""
    try:
        logged = json.loads(line) if line.startswith("{") else None
    except ValueError:
        return {}
    return logged if isinstance(logged, dict) else {}


def log_text(logged: Mapping[str, Any]) -> Text:
    """The fields of a JSON log line as a line for people, and those of a traceback below it.

    >>> log_text({"event": "no_server", "message": "it is gone", "role": "encoder", "level": "error"}).plain
    '          encoder    no server: it is gone'
    """
    event = str(logged.get("event", "")).replace("_", " ")
    said = f"{event}: {logged['message']}" if "message" in logged else event
    rest = {name: value for name, value in logged.items() if name not in (*SHOWN, *UNSAID) and value != ""}
    text = Text.assemble(
        (f"{_clock(str(logged.get('at', ''))):10}", "dim"),
        (f"{logged.get('role', '')!s:11}", "blue"),
        (said, STYLES.get(str(logged.get("level", "")), "")),
        ("".join(f"  {name}={value}" for name, value in rest.items()), "dim"),
    )
    return text.append(f"\n{logged['exception']}", "dim") if logged.get("exception") else text


def _clock(at: str) -> str:
    """The time of the day here, of a time in ISO 8601; empty for anything else."""
    try:
        return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}"
    except ValueError:
        return ""
