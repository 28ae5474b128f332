"""Runs `cornerman demo` with its page, for browser tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.e2e.commands import STEADY
from tests.e2e.ports import free_port

FAKES = ("encoder.backend=fake", "generator.backend=echo", "generator.echo_delay_ms=20")
START_S = 300.0
ANSWER_S = 120.0


@dataclass
class Demo:
    """A running demo."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def get(self, path: str) -> Any:
        return httpx.get(self.url + path, timeout=ANSWER_S).raise_for_status().json()

    def texts(self) -> list[str]:
        """Every text of the feedback stream, oldest first."""
        rows = httpx.get(f"{self.url}/api/sources/demo/transcript.jsonl", timeout=ANSWER_S).raise_for_status()
        return [json.loads(line)["text"] for line in rows.text.splitlines()]

    def child(self, role: str) -> psutil.Process:
        """Process of a role."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if f"cornerman_{role}" in " ".join(process.cmdline()):
                    return process
        raise AssertionError(f"no {role} runs")

    def wait_ready(self) -> None:
        """Waits until the page is served and the clip is watched."""
        deadline_s = time.monotonic() + START_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/api/sources/demo", timeout=10).status_code == 200:
                    return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline_s, self.log.read_text()
            time.sleep(0.1)


@contextlib.contextmanager
def demo(folder: Path, sets: Sequence[str] = FAKES) -> Iterator[Demo]:
    """Runs the demo on a free port until the block ends."""
    port = free_port()
    environment = {**os.environ, "CORNERMAN_RUNTIME__DIR": str(folder / "run"), **STEADY}
    line = [sys.executable, "-m", "cornerman", "demo", "--no-open", "--port", str(port)]
    for item in sets:
        line += ["--set", item]
    log = folder / "demo.log"
    with log.open("wb") as out:
        process = subprocess.Popen(line, cwd=folder, env=environment, stdout=out, stderr=out)
    running = Demo(process, f"http://127.0.0.1:{port}", log)
    try:
        running.wait_ready()
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
