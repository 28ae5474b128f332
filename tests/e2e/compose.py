"""Runs a compose file without a Docker engine: each service as local processes, started as the file says.

Commands, environment, health checks, dependency order and conditions, replicas and the time to stop are taken from the
file unchanged. Only this module maps the parts that need a container:

| in a container | here |
|---|---|
| another service's name, e.g. `redis://valkey:6379` | 127.0.0.1 and a free port, in every value of the environment |
| `/run/cornerman` (tmpfs) | a folder of each replica's own |
| `/uploads`, `/models`, `/videos` (volumes) | a folder of that name, the same for all |
| `/app` (working directory) and the `cornerman.yaml` of the image's build | the checkout, and CORNERMAN_CONFIG |
| the image's own environment | PATH, HOME and the number of threads |
| `python`, `valkey-server` | this interpreter; the binary of `cornerman_shared.bus.server_binary`, on the free port |
| `valkey-cli ping` as the server's health check | PING, since the bundled binary comes without a client |
| a published port | the same free port, as the service's own port |
| its times to start, to answer and to stop | `SLACK` times as long: services here share a machine with the tests |

Users, capabilities, read-only roots, images and networks exist only in a container: see deploy/README.md.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import yaml

from cornerman_shared.bus.server_binary import find_binary
from tests.e2e.ports import free_ports

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:-|:\?)([^}]*))?\}|(\w+))")
SLACK = 4.0
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class ComposeError(Exception):
    """The file cannot be run, or a service did not start; the message names it and the reason."""


def interpolate(value: Any, outside: Mapping[str, str]) -> Any:
    """Fills in `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$`, in every string of a tree."""
    if isinstance(value, dict):
        return {key: interpolate(item, outside) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, outside) for item in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        if name is None:
            return "$"
        given = outside.get(name, "")
        if not given and match[2] == ":?":
            raise ComposeError(f"required variable {name} is missing a value: {match[3]}")
        return given or (match[3] or "" if match[2] == ":-" else "")

    return VARIABLE.sub(fill, value)


def seconds(text: str) -> float:
    """Seconds of a duration: `1m30s` is 90."""
    return sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


def load(path: Path, outside: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Services of a file, variables filled in."""
    return dict(interpolate(yaml.safe_load(path.read_text(encoding="utf-8")), outside)["services"])


def dependencies(service: Mapping[str, Any]) -> dict[str, str]:
    """Services that this one waits for -> the condition."""
    given = service.get("depends_on", {})
    if isinstance(given, list):
        return dict.fromkeys(given, "service_started")
    return {name: each["condition"] for name, each in given.items()}


def in_order(services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of the services, each after its dependencies."""
    done: list[str] = []
    while len(done) < len(services):
        free = [name for name in services if name not in done and set(dependencies(services[name])) <= set(done)]
        if not free:
            raise ComposeError(f"services depend on each other: {sorted(set(services) - set(done))}")
        done += free
    return done


@dataclass
class Replica:
    """Local process in place of one container."""

    service: str
    number: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@dataclass
class LocalCompose:
    """`docker compose up` without Docker.

    Args:
        outside: variables in the environment of `docker compose`.
        scale: replicas, as by `--scale`.
    """

    file: Path
    folder: Path
    outside: Mapping[str, str]
    scale: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.services = load(self.file, self.outside)
        self.replicas: list[Replica] = []
        self.ports = dict(zip(self.services, free_ports(len(self.services)), strict=True))

    @property
    def redis_url(self) -> str:
        return self.server_url("valkey")

    def server_url(self, service: str) -> str:
        return f"redis://:{self.outside['CORNERMAN_REDIS__PASSWORD']}@127.0.0.1:{self.ports[service]}/0"

    def of(self, service: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service == service]

    def up(self) -> None:
        """Starts everything in order and waits until each service with a health check is healthy."""
        (self.folder / "cornerman.yaml").write_bytes(
            subprocess.run([sys.executable, "deploy/defaults.py"], cwd=ROOT, check=True, capture_output=True).stdout
        )
        for name in in_order(self.services):
            for needed, condition in dependencies(self.services[name]).items():
                self._await(needed, condition)
            for number in range(1, self.scale.get(name, 1) + 1):
                self.replicas.append(self._start(name, number))
        for name in self.services:
            self._await(name, "service_healthy" if "healthcheck" in self.services[name] else "service_started")

    def down(self) -> dict[str, list[int]]:
        """Stops everything, the other way round, as `docker compose down` does; exit codes by service."""
        codes: dict[str, list[int]] = {}
        for name in reversed(in_order(self.services)):
            mine = self.of(name)
            for replica in mine:
                if replica.process.poll() is None:
                    replica.process.send_signal(signal.SIGTERM)
            within_s = SLACK * seconds(self.services[name].get("stop_grace_period", "10s"))
            deadline_s = time.monotonic() + within_s
            for replica in mine:
                try:
                    replica.process.wait(max(0.1, deadline_s - time.monotonic()))
                except subprocess.TimeoutExpired:
                    replica.process.kill()
                    replica.process.wait()
                codes.setdefault(name, []).append(replica.process.returncode)
        return codes

    def logs(self) -> str:
        return "\n".join(f"--- {each.service} {each.number}\n{each.tail()}" for each in self.replicas)

    def _start(self, name: str, number: int) -> Replica:
        folder = self.folder / f"{name}-{number}"
        folder.mkdir()
        environment = self._environment(name, folder)
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                self._command(self.services[name]["command"], name, folder),
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Replica(name, number, environment, process, log)

    def _environment(self, name: str, folder: Path) -> dict[str, str]:
        base = {key: os.environ[key] for key in ("PATH", "HOME", "OMP_NUM_THREADS") if key in os.environ}
        base["CORNERMAN_CONFIG"] = str(self.folder / "cornerman.yaml")
        for key, value in self.services[name].get("environment", {}).items():
            if value is None:  # without a value, compose passes the variable on if it is set outside
                if key in self.outside:
                    base[key] = self.outside[key]
                continue
            base[key] = self._mapped(str(value), folder)
        if "CORNERMAN_RUNTIME__METRICS_PORT" in base:
            (port,) = free_ports(1)  # every container has the port to itself
            base |= {"CORNERMAN_RUNTIME__METRICS_HOST": "127.0.0.1", "CORNERMAN_RUNTIME__METRICS_PORT": str(port)}
        for published in self.services[name].get("ports", []):
            inside = published.rpartition(":")[2]
            for key in [key for key, value in base.items() if value == inside]:
                base[key] = str(self.ports[name])
        return base

    def _mapped(self, value: str, folder: Path) -> str:
        for name, port in self.ports.items():
            value = re.sub(rf"//{name}:\d+", f"//127.0.0.1:{port}", value)
        value = value.replace("/run/cornerman", str(folder / "run"))
        for volume in ("/uploads", "/models", "/videos"):
            (self.folder / volume[1:]).mkdir(exist_ok=True)
            value = re.sub(rf"(?<![\w/]){volume}\b", str(self.folder / volume[1:]), value)
        return value

    def _command(self, command: Sequence[str], name: str, folder: Path) -> list[str]:
        first, *rest = command
        if first == "python":
            return [sys.executable, *rest]
        if first == "sh" and rest[-1].startswith("exec valkey-server - "):
            place = f"--port {self.ports[name]} --bind 127.0.0.1 --dir {shlex.quote(str(folder))}"
            return ["sh", *rest[:-1], rest[-1].replace("valkey-server -", f"{find_binary()} - {place}")]
        raise ComposeError(f"{name}: command {first!r} has no local stand-in")

    def _await(self, name: str, condition: str) -> None:
        check = self.services[name].get("healthcheck", {})
        deadline_s = time.monotonic() + SLACK * seconds(check.get("start_period", "30s"))
        for replica in self.of(name):
            while not self._reached(replica, condition, check):
                if time.monotonic() > deadline_s:
                    raise ComposeError(f"{name} {replica.number} is not {condition} in time:\n{replica.tail()}")
                time.sleep(0.25)

    def _reached(self, replica: Replica, condition: str, check: Mapping[str, Any]) -> bool:
        code = replica.process.poll()
        if condition == "service_completed_successfully":
            if code:
                raise ComposeError(f"{replica.service} ended with {code}:\n{replica.tail()}")
            return code == 0
        if code:
            raise ComposeError(f"{replica.service} {replica.number} ended with {code}:\n{replica.tail()}")
        return condition == "service_started" or self.is_healthy(replica, check)

    def is_healthy(self, replica: Replica, check: Mapping[str, Any]) -> bool:
        """Runs the health check in the replica's environment."""
        how, *command = check["test"]
        if how == "CMD-SHELL" and command[0].endswith(" valkey-cli ping | grep -q PONG"):
            try:
                with redis.Redis.from_url(self.server_url(replica.service)) as client:
                    return bool(client.ping())
            except redis.exceptions.RedisError:
                return False
        if how != "CMD":
            raise ComposeError(f"{replica.service}: health check {command!r} has no local stand-in")
        within_s = SLACK * seconds(check["timeout"])
        local = self._command(command, replica.service, self.folder)
        try:
            done = subprocess.run(local, cwd=ROOT, env=replica.environment, capture_output=True, timeout=within_s)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def stages(dockerfile: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yields (stage, its base, its instructions) of a Dockerfile."""
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    name, parent, lines = "", "", []  # type: ignore[var-annotated]
    for line in text.splitlines():
        start = re.match(r"FROM (\S+) AS ([\w-]+)", line)
        if start:
            if name:
                yield name, parent, lines
            name, parent, lines = start[2], start[1], []
        elif name and line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    yield name, parent, lines
