"""Health of a process: one of five states, written to a file each second.

`python -m cornerman_shared.process.health ROLE` reads the files, so that a container's health check needs neither a
port nor the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import psutil

from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.clock import Clock, SystemClock
from cornerman_shared.process.gpu_memory import gpu_memory

State = Literal["starting", "running", "draining", "stopped", "unhealthy"]

FRESH_S: Final = 5.0
"""A health file older than this belongs to a process that hangs or is dead."""


class Health:
    """Health of this process. Services report to it; the runtime writes and publishes it.

    Args:
        role: encoder, decider and so on.
        name: of the worker, unique within the role.
        clock: of this machine. The file has its wall time, because `probe` compares it on the same machine.
        folder: for the health file; None = no file.

    Attributes:
        changed: set at each change of the state, so that others learn of it at once; the publisher clears it.
    """

    def __init__(self, role: str, name: str, clock: Clock, folder: Path | None = None) -> None:
        self.role = role
        self.name = name
        self._clock = clock
        self._path = folder / f"{role}-{name}.health" if folder else None
        self._started_s = self._progress_s = self._written_s = clock.monotonic_s()
        self._state: State = "starting"
        self._reason = ""
        self._loading = 0
        self._in_hand = 0
        self._detail: dict[str, float] = {}
        self._models: dict[str, str] = {}
        self._process = psutil.Process()
        self._host = socket.gethostname()
        self.changed = asyncio.Event()

    @property
    def state(self) -> State:
        """The state set last; `starting` while `loading`."""
        return "starting" if self._loading and self._state == "running" else self._state

    def set_state(self, state: State) -> None:
        self._state = state
        self.changed.set()

    def fail(self, reason: str) -> None:
        """The process ends for this reason, one sentence."""
        self._state, self._reason = "unhealthy", reason

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Keeps the state at `starting` during the block: `with context.health.loading(): model = load()`.

        The garbage collector rests meanwhile and never looks at what was loaded: the passes over a model's modules
        take most of a second while they are imported, and a fifth of one each time later, in which nothing else runs.
        """
        self._loading += 1
        gc.disable()
        try:
            yield
            gc.freeze()
        finally:
            gc.enable()
            self._loading -= 1
            self.changed.set()

    def progress(self, in_hand: int | None = None) -> None:
        """Work moved on; the time since is part of the status, as `idle_s`.

        Args:
            in_hand: entries, sources or clients being worked on now; None = as before.
        """
        self._progress_s = self._clock.monotonic_s()
        if in_hand is not None:
            self._in_hand = in_hand

    def report(self, **numbers: float) -> None:
        """Sets numbers that `cornerman status` shows, e.g. `report(fps=29.9)`."""
        self._detail.update(numbers)

    def report_models(self, **models: str) -> None:
        """Sets the models that the process works with, e.g. `report_models(backend="openai", model="qwen")`."""
        self._models.update(models)

    def status(self, at_s: float | None = None) -> WorkerStatus:
        """The current status.

        Args:
            at_s: unix time of the status; None = the wall clock of this machine.
        """
        at_s = self._clock.now_s() if at_s is None else at_s
        now_s = self._clock.monotonic_s()
        return WorkerStatus(
            role=self.role,
            name=self.name,
            pid=os.getpid(),
            host=self._host,
            state=self.state,
            started_at_s=at_s - (now_s - self._started_s),
            at_s=at_s,
            rss_bytes=self._process.memory_info().rss,
            busy=self._in_hand,
            detail={**self._detail, **gpu_memory(), "idle_s": round(max(0.0, now_s - self._progress_s), 3)},
            reason=self._reason,
            models=dict(self._models),
        )

    def written_ago_s(self) -> float:
        """Seconds since `write`, or since the start."""
        return self._clock.monotonic_s() - self._written_s

    def write(self) -> None:
        """Writes the health file atomically."""
        self._written_s = self._clock.monotonic_s()
        if self._path is None:
            return
        draft = self._path.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps(dataclasses.asdict(self.status())), encoding="utf-8")
        # A rename is atomic, so a reader never sees half a file.
        draft.replace(self._path)

    def remove(self) -> None:
        """Removes the health file at an orderly end."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def sweep(folder: Path, role: str) -> int:
    """Removes health files of killed processes of this host; returns how many."""
    removed = 0
    for path, status in _read(folder, role):
        # A pid of another host says nothing here.
        if status is None or (status.host == socket.gethostname() and not psutil.pid_exists(status.pid)):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def probe(folder: Path, role: str, name: str = "", now_s: float | None = None) -> tuple[bool, str]:
    """Whether a process of `role` is healthy, with a sentence that says so or why not.

    A process is healthy if its file is at most `FRESH_S` seconds old and its state is running or draining.

    Args:
        folder: with the health files.
        role: of the process.
        name: of the worker; empty = any.
        now_s: unix time; None = now.
    """
    now_s = SystemClock().now_s() if now_s is None else now_s
    found = [status for _path, status in _read(folder, role) if status and name in ("", status.name)]
    if not found:
        who = f"{role} {name}".strip()
        return False, f"{who}: no health under {folder}; is it started, and with the same runtime.dir?"
    found.sort(key=lambda status: status.at_s, reverse=True)
    for status in found:
        # A file from the future was written before the clock was set back: it says nothing about now.
        if abs(now_s - status.at_s) <= FRESH_S and status.state in ("running", "draining"):
            up_s = now_s - status.started_at_s
            return True, f"{role} {status.name} is {status.state}, {status.busy} in hand, up {up_s:.0f} s"
    newest = found[0]
    age_s = abs(now_s - newest.at_s)
    if age_s > FRESH_S:
        return False, f"{role} {newest.name} wrote its health {age_s:.0f} s ago: it hangs or was killed"
    return False, f"{role} {newest.name} is {newest.state}" + (f": {newest.reason}" if newest.reason else "")


def _read(folder: Path, role: str) -> list[tuple[Path, WorkerStatus | None]]:
    found: list[tuple[Path, WorkerStatus | None]] = []
    for path in folder.glob(f"{role}-*.health"):
        try:
            found.append((path, WorkerStatus(**json.loads(path.read_text(encoding="utf-8")))))
        except FileNotFoundError:
            continue  # its process ended between glob and read
        except (ValueError, TypeError):
            found.append((path, None))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the sentence of `probe`; returns exit code 0 if healthy, else 1."""
    from cornerman_shared.process.run_dir import runtime_dir
    from cornerman_shared.settings.tree import load_settings

    parser = argparse.ArgumentParser(
        prog="python -m cornerman_shared.process.health", description="Is a Cornerman process healthy?"
    )
    parser.add_argument("role", help="capture, encoder, decider, generator or gateway")
    parser.add_argument("--name", default="", help="one worker only")
    given = parser.parse_args(argv)
    healthy, sentence = probe(runtime_dir(load_settings().runtime.dir), given.role, given.name)
    print(sentence)
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
