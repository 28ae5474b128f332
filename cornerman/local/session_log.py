"""The log file of a session: what the services log, and what the command prints, in one place.

The terminal shows less: of the services' lines only warnings and errors, unless all of them are asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from cornerman.local.event_lines import Line
from cornerman.local.log_lines import log_fields
from cornerman.local.run_output import RunOutput
from cornerman_shared.clock import SystemClock
from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

SHOWN: Final = ("warning", "error", "critical")
"""Levels of the services' lines that the terminal shows."""

_OWN: Final = ("at", "level", "event", "role", "worker", "part")


class SessionLog:
    """Writes lines `time | LEVEL | who | what`; each is flushed, so that it can be followed.

    Args:
        path: the file; its folder is made.
        option: the command's option that named the folder, for errors.

    Raises:
        ConfigError: it cannot be written.
    """

    def __init__(self, path: Path, option: str = "--log-dir") -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{option} {str(path.parent)!r}: cannot be written ({error.strerror})") from None

    def write(self, level: str, who: str, what: str) -> None:
        """Writes one line, without secrets and control characters."""
        at = datetime.fromtimestamp(SystemClock().now_s(), UTC).isoformat(timespec="milliseconds")
        self._file.write(f"{at} | {level.upper():<8} | {who} | {clean_text(redact_url(what))}\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class LoggedOutput(RunOutput):
    """Output of a command that keeps a log file.

    Args:
        log: the file.
        verbose: show every line of the services.
        as_json, progress: as in `RunOutput`.
    """

    def __init__(self, log: SessionLog, *, as_json: bool, verbose: bool = False, progress: bool = True) -> None:
        super().__init__(as_json=as_json, progress=progress)
        self._log, self._verbose = log, verbose

    def line(self, line: Line) -> None:
        """Prints and logs one result."""
        kept = {name: value for name, value in line.items() if name not in ("type", "response")}
        self._log.write("error" if line["type"] == "error" else "info", line["type"], _fields(kept))
        super().line(line)

    def note(self, text: str) -> None:
        """Prints and logs a note."""
        self._log.write("info", "cornerman", text)
        super().note(text)

    def complain(self, text: str) -> None:
        """Prints and logs an error."""
        self._log.write("error", "cornerman", text)
        super().complain(text)

    def child(self, role: str, line: str) -> None:
        """Logs a line of a service, and prints it if it is a warning or an error."""
        logged = _logged(line)
        if logged is None:
            super().child(role, line)  # complains, which logs it
            return
        level = str(logged.get("level", "info"))
        fields = {name: value for name, value in logged.items() if name not in _OWN}
        self._log.write(level, role, f"{logged['event']} {_fields(fields)}".rstrip())
        if self._verbose or level in SHOWN:
            super().child(role, line)


def _logged(line: str) -> dict[str, Any] | None:
    """The parts of a service's log line; None if it is another kind of line."""
    found = log_fields(line)
    return found if "event" in found else None


def _fields(values: dict[str, Any]) -> str:
    """Named values in one line.

    >>> _fields({"seq": 3, "reason": "no credit"})
    "seq=3 reason='no credit'"
    """
    return " ".join(f"{name}={value!r}" for name, value in values.items())
