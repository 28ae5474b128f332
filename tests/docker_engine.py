"""The compose file on a real Docker engine: `make e2e-docker`.

Builds the images, brings everything up and waits for words; restarts each service, scales the encoders to three and
back, kills one container of each service, goes down and up with volumes kept, and waits for words after every step.
Checks users, read-only roots, published ports, capabilities and memory. Prints a table of times and sizes; the exit
code is 1 if something fails. E2E_COMPOSE names further compose files, by colons.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
ROLES = ("capture", "encoder", "decider", "generator", "gateway")
SERVERS = ("valkey", "valkey-blobs")
PROJECT = "cornerman-e2e"
WORDS_S = 240.0
"""Longest wait for words after a step: a model loads, and the clip must show a mistake."""


class StepError(AssertionError):
    """A step did not do what it should; says what was seen."""


@dataclass
class Engine:
    """One project on the engine.

    Attributes:
        port: where the gateway is published.
        project: its name.
        files: compose files beside the project's own.
        token: of the gateway.
        password: of the servers.
        rows: name and seconds, or a size, of every step so far.
    """

    port: int
    project: str = PROJECT
    files: Sequence[str] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    password: str = field(default_factory=lambda: secrets.token_hex(32))
    rows: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        files = ["docker-compose.yml", *filter(None, os.environ.get("E2E_COMPOSE", "").split(":")), *self.files]
        self._compose = ["docker", "compose", "--project-name", self.project]
        self._compose += [part for file in files for part in ("-f", file)]
        self._environment = {
            **os.environ,
            "CORNERMAN_GATEWAY__TOKEN": self.token,
            "CORNERMAN_REDIS__PASSWORD": self.password,
            "CORNERMAN_PUBLISH": f"127.0.0.1:{self.port}",
        }

    def compose(self, *arguments: str, within_s: float = 900) -> str:
        """Runs `docker compose`; returns its output."""
        return self._run([*self._compose, *arguments], within_s)

    def docker(self, *arguments: str) -> str:
        """Runs `docker`; returns its output."""
        return self._run(["docker", *arguments], 60)

    def _run(self, command: list[str], within_s: float) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=within_s, check=False
        )
        if done.returncode != 0:
            raise StepError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return done.stdout

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What the engine knows about the running containers of a service."""
        ids = self.compose("ps", "--quiet", service).split()
        return list(json.loads(self.docker("inspect", *ids))) if ids else []

    def step(self, name: str, act: Callable[[], object]) -> None:
        """Does something and notes how long it took."""
        started_s = time.monotonic()
        act()
        self.rows.append((name, f"{time.monotonic() - started_s:.1f} s"))
        print(f"{name:<40} {self.rows[-1][1]}", flush=True)

    def words(self) -> None:
        """Waits for a reply that begins from now on."""
        headers = {"Authorization": f"Bearer {self.token}"}
        deadline_s = time.monotonic() + WORDS_S
        while time.monotonic() < deadline_s:
            try:
                if self._next_reply(headers, deadline_s):
                    return
            except httpx.HTTPError:
                time.sleep(0.5)  # the gateway is the one that was restarted
        raise StepError(
            f"no words within {WORDS_S:.0f} s:\n{self.compose('ps', '--all')}{self.compose('logs', '--tail', '15')}"
        )

    def _next_reply(self, headers: dict[str, str], deadline_s: float) -> bool:
        url, begun = f"http://127.0.0.1:{self.port}/api/sources/demo/events", set()
        with httpx.stream("GET", url, headers=headers, timeout=30) as reply:
            reply.raise_for_status()
            for line in reply.iter_lines():
                if time.monotonic() > deadline_s:
                    return False
                event = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if event.get("type") == "start":
                    begun.add(event["request_id"])
                if event.get("type") == "end" and event["request_id"] in begun and event.get("text"):
                    return bool(event["status"] == "done")
        return False


def check_containers(engine: Engine) -> None:
    """Users, roots, capabilities, ports and limits of every container."""
    for service in (*ROLES, *SERVERS):
        (container, *_) = engine.containers(service)
        host = container["HostConfig"]
        seen = {
            "user": container["Config"]["User"] not in ("", "0", "root", "0:0"),
            "read-only root": host["ReadonlyRootfs"],
            "capabilities": [name.upper() for name in host["CapDrop"] or []] == ["ALL"] and not host["CapAdd"],
            "memory limit": host["Memory"] > 0,
            "no new privileges": any("no-new-privileges" in option for option in host["SecurityOpt"] or []),
            "healthy": container["State"].get("Health", {}).get("Status") == "healthy",
            "ports": bool(host["PortBindings"]) == (service == "gateway"),
        }
        wrong = [name for name, fine in seen.items() if not fine]
        if wrong:
            raise StepError(f"{service}: {', '.join(wrong)}")


def kill_one_of_each(engine: Engine) -> None:
    """Kills a container of each service; its restart policy does not hold for `docker kill`, so it is started again."""
    for service in ROLES:
        (container, *_) = engine.containers(service)
        engine.docker("kill", container["Id"])
        engine.docker("start", container["Id"])


def measure(engine: Engine) -> None:
    """Notes sizes of the images and memory of the containers."""
    for service in ROLES:
        (container, *_) = engine.containers(service)
        size = int(engine.docker("image", "inspect", "--format", "{{.Size}}", container["Image"]))
        memory = (
            engine.docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container["Id"]).split("/")[0].strip()
        )
        engine.rows.append((f"{service}: image, memory in use", f"{size / 1e6:.0f} MB, {memory}"))
        print(f"{engine.rows[-1][0]:<40} {engine.rows[-1][1]}", flush=True)


def run(engine: Engine, build: bool) -> None:
    """Every step, in order."""
    if build:
        engine.step("build", lambda: engine.compose("build", within_s=2400))
    engine.step("up --wait", lambda: engine.compose("up", "--detach", "--wait", "--wait-timeout", "300"))
    engine.step("first words", engine.words)
    check_containers(engine)
    measure(engine)
    for service in (*ROLES, *SERVERS):
        engine.step(f"restart {service}", lambda service=service: engine.compose("restart", service))
        engine.step(f"words after restart of {service}", engine.words)
    for count in (3, 1):
        scale = ("--scale", f"encoder={count}", "--no-recreate")
        engine.step(f"encoders to {count}", lambda scale=scale: engine.compose("up", "--detach", "--wait", *scale))
        if len(engine.containers("encoder")) != count:
            raise StepError(f"{len(engine.containers('encoder'))} encoders run, not {count}")
        engine.step(f"words with encoders = {count}", engine.words)
    engine.step("kill one of each", lambda: kill_one_of_each(engine))
    engine.step("words after kills", engine.words)
    engine.step("down", lambda: engine.compose("down"))
    engine.step("up again", lambda: engine.compose("up", "--detach", "--wait", "--wait-timeout", "300"))
    engine.step("words after down and up", engine.words)


def engine_answers() -> bool:
    """Whether there is an engine; says what to do if there is none."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return True
    print("no Docker engine answers `docker info`; start one, or set DOCKER_HOST", file=sys.stderr)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docker_engine", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--port", type=int, default=8099, help="where the gateway is published")
    parser.add_argument("--no-build", action="store_true", help="the images are there")
    given = parser.parse_args()
    if not engine_answers():
        return 1
    engine = Engine(given.port)
    try:
        run(engine, not given.no_build)
    except StepError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        engine.compose("down", "--volumes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
