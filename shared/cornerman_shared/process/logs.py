"""Structured logs on stderr: static snake_case events with fields. Stdout is for results only."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog

from cornerman_shared.redact import hide_known, redact_value
from cornerman_shared.text import clean_text

Format = Literal["auto", "json", "console"]
Logger = structlog.typing.FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
WORK = ("source_id", "run", "seq", "request_id", "question_id")
REPEATS, REPEAT_S, MAX_KEYS = 10, 60.0, 1_000
_NOISY = ("asyncio", "httpcore", "httpx", "urllib3", "matplotlib", "PIL")


def get_logger(name: str) -> Logger:
    """A logger that adds `part=name` to its lines. Before `configure` it uses structlog's defaults."""
    logger: Logger = structlog.get_logger(part=name)
    return logger


@contextlib.contextmanager
def about(message: object) -> Iterator[None]:
    """Adds the source, run, seq, request and trace of a message to the lines that are logged inside."""
    fields = {name: value for name in WORK if (value := getattr(message, name, "")) != ""}
    if traceparent := getattr(message, "traceparent", ""):
        fields["trace_id"] = traceparent.split("-")[1]
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def configure_inside_program() -> None:
    """Directs warnings and errors to stderr, in a program that uses us as a library; its own configuration stays."""
    if structlog.is_configured():
        return
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
    )


def configure(level: str = "info", form: Format = "auto", stream: TextIO | None = None, **fields: str) -> None:
    """Directs logs of this process, and of libraries that use `logging`, to `stream`.

    Args:
        level: debug, info, warning or error.
        form: `console` for people, `json` for machines, `auto` = console on a terminal.
        stream: None = stderr.
        fields: added to every line, e.g. `role="encoder", worker="host-123"`.

    Raises:
        ValueError: unknown level.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown log level {level!r}; give one of {', '.join(LEVELS)}")
    out = stream if stream is not None else cast(TextIO, _Stderr())
    console = form == "console" or (form == "auto" and out.isatty())
    renderers: list[structlog.typing.Processor] = (
        # A plain traceback: structlog's own takes the event loop for seconds, and shows the values of variables.
        [structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    # `configure` runs twice: before and after the settings are known.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.StackInfoRenderer(),
            _redact,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _HidingWriter(out))),
        # module-level loggers are made before `configure`
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(max(LEVELS[level], logging.INFO))
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _HidingWriter:
    """Hides remembered secrets in what is written: tracebacks are rendered after the fields were redacted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(hide_known(text))

    def flush(self) -> None:
        self._out.flush()


class _Stderr:
    """Writes to the current `sys.stderr`, which tests and embedding programs replace."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name != "exc_info":
            shown = redact_value(name, value)
            event[name] = clean_text(shown) if isinstance(shown, str) else shown
    return event


class _Bridge(logging.Handler):
    """Converts a log record of a library to a structured line."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        count = self._count(record)
        if count > REPEATS:
            return
        message = record.getMessage()
        if count == REPEATS:
            message += f" (more of these are left out for {REPEAT_S:.0f} s)"
        logger = get_logger(record.name)
        logger.log(record.levelno, "library_message", message=message, exc_info=record.exc_info or None)

    def _count(self, record: logging.LogRecord) -> int:
        """Records with this text in the last `REPEAT_S`. A peer that provokes a warning must not fill the disk."""
        key = (record.name, str(record.msg)[:100])
        since_s, count = self._counts.get(key, (record.created, 0))
        if record.created - since_s > REPEAT_S:
            since_s, count = record.created, 0
        if key not in self._counts and len(self._counts) >= MAX_KEYS:
            self._counts.clear()
        self._counts[key] = (since_s, count + 1)
        return count + 1
