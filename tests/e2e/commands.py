"""Runs `cornerman` as a process in a folder of its own, and reads its output."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAKES = ("--set", "encoder.backend=fake", "--set", "generator.backend=echo", "--set", "generator.echo_delay_ms=1")
FAST = ("--set", "bus.sources_poll_s=0.05", "--set", "bus.block_ms=100")

PATIENCE_S = 400.0
"""Limit for a command, on a busy machine; each ends by itself in seconds."""

STEADY = {
    "CORNERMAN_BUS__LEASE_MS": "60000",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "default::FutureWarning,default::UserWarning,default::RuntimeWarning",
}
"""Environment: long leases, so that a process that stands still for seconds does not lose its source; and the warnings
of libraries, which `cornerman` hides from users, on stderr."""

SUMMARY = {
    *("captured", "sampled", "due", "published", "dropped", "decided", "buried"),
    *("requests", "feedback", "errors", "expired"),
}


@dataclass
class Result:
    """Exit code of a command, the objects on its stdout, and its stderr."""

    code: int
    lines: list[dict[str, Any]]
    errors: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == kind]

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        assert self.lines, self.errors
        assert self.lines[-1]["type"] == "summary", self.errors
        found: dict[str, dict[str, Any]] = self.lines[-1]["sources"]
        return found


class Command:
    """A running `cornerman`. Its runtime folder is below `folder`."""

    def __init__(self, folder: Path, *line: str) -> None:
        environment = {**os.environ, "CORNERMAN_RUNTIME__DIR": str(folder / "run"), **STEADY}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cornerman", *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )

    def read_until(self, kind: str) -> dict[str, Any]:
        """Reads lines up to the first object of this type."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            got: dict[str, Any] = json.loads(line)
            if got["type"] == kind:
                return got
        raise AssertionError(f"ended without a {kind}: {self.process.stderr and self.process.stderr.read()}")

    def end(self, within_s: float = PATIENCE_S) -> Result:
        """Waits until the command ends."""
        out, errors = self.process.communicate(timeout=within_s)
        return Result(self.process.returncode, [json.loads(line) for line in out.splitlines()], errors)


def adds_up(counts: dict[str, Any]) -> None:
    """Asserts the equations between the counters of a source."""
    assert set(counts) == SUMMARY
    assert counts["due"] == counts["published"] + sum(counts["dropped"].values()), counts
    assert counts["published"] == counts["decided"] + counts["buried"], counts
    assert counts["requests"] == counts["feedback"] + counts["errors"] + counts["expired"], counts


def adds_up_or_says_so(ended: Result, source_id: str) -> None:
    """Asserts the equations after Ctrl-C, unless the command reports work that it could not finish in time."""
    if "stopped before everything was finished" in ended.errors:
        assert source_id in ended.sources, ended.errors
    else:
        adds_up(ended.sources[source_id])
