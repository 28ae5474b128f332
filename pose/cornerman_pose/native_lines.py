"""Keeps information lines of native libraries off a terminal, where they would tear a progress bar."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Final

INFO: Final = b"INFO: "
"""How LiteRT begins a line that warns of nothing."""

_STDERR: Final = 2
_LOCK = threading.Lock()  # the file descriptor is the process's


@contextmanager
def without_info() -> Iterator[None]:
    """Holds back what is written to stderr in the body, and then writes all of it but information lines.

    Does nothing where stderr is not a terminal: a launcher or a log reads the lines there. The body should be short,
    because the lines of other threads wait, too.
    """
    if not os.isatty(_STDERR):
        yield
        return
    with _LOCK, TemporaryFile() as held:
        _flush()
        terminal = os.dup(_STDERR)
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            _flush()
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            held.seek(0)
            _write(b"".join(line for line in held.read().splitlines(keepends=True) if not line.startswith(INFO)))


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _write(rest: bytes) -> None:
    while rest:
        rest = rest[os.write(_STDERR, rest) :]
