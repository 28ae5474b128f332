"""One child process of the launcher: its process, its last lines, and whether it is down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from dataclasses import dataclass
from typing import Final

from cornerman.local.log_lines import log_fields

TAIL_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Outage:
    """Why a child is down: it used up its quick restarts, and is tried again after growing pauses.

    Attributes:
        reason: one sentence, with the last line that the child wrote.
        since_s: when it first was down, monotonic seconds.
    """

    reason: str
    since_s: float


class Child:
    """One service process and its restarts."""

    def __init__(self, role: str, name: str) -> None:
        self.role = role
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = asyncio.Event()
        self.ended = asyncio.Event()
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.outage: Outage | None = None
        self.wrong_setting = ""
        """The sentence with which the process refused its settings."""

    @property
    def pid(self) -> int | None:
        """Process id while a process runs, else None."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    def down(self, why: str, now_s: float) -> None:
        """Marks the child as down; an outage keeps its beginning until the child has lived long enough."""
        last = self.tail[-1].strip() if self.tail else "it wrote nothing"
        self.outage = Outage(f"{why}; its last line: {last}", self.outage.since_s if self.outage else now_s)

    def recovered(self) -> None:
        """Ends the outage: the process has lived long enough."""
        self.outage = None

    def signal(self, number: int) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def readable(line: str) -> list[str]:
    """A JSON log line as text for people; any other line unchanged.

    >>> readable('{"event": "no_server", "message": "it is gone", "level": "error"}')
    ['no_server: it is gone']
    """
    logged = log_fields(line)
    if "event" not in logged:
        return [line]
    text = f"{logged['event']}: {logged['message']}" if "message" in logged else str(logged["event"])
    return [text, *str(logged.get("exception", "")).splitlines()]


def wrong_setting(line: str) -> str:
    """The sentence of a service that refuses its settings; "" for every other line.

    >>> wrong_setting('{"event": "settings_are_wrong", "message": "encoder.batch = 0"}')
    'encoder.batch = 0'
    """
    logged = log_fields(line)
    return str(logged.get("message", "")) if logged.get("event") == "settings_are_wrong" else ""


def describe_exit(code: int) -> str:
    """Describes an exit status in words.

    >>> describe_exit(-9)
    'was killed by SIGKILL'
    """
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
