"""The gateway as a process: TLS, stopping in order, and what it says when it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server

TOKEN = "a-token-of-some-length"


class Process:
    """`python -m cornerman_gateway` on a port of its own."""

    def __init__(self, server: Server, folder: Path, *sets: str, port: int | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = port or probe.getsockname()[1]
        environment = {**os.environ, "CORNERMAN_RUNTIME__DIR": str(folder), "CORNERMAN_REDIS__URL": server.url}
        line = [sys.executable, "-m", "cornerman_gateway", "--set", f"gateway.port={self.port}"]
        for item in ("log.format=json", *sets):
            line += ["--set", item]
        self.child = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)

    def wait_ready(self, url: str, **options: object) -> None:
        give_up_s = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"{url}/readyz", **options).raise_for_status()  # type: ignore[arg-type]
                return
            except (httpx.HTTPError, OSError):
                assert self.child.poll() is None, self.child.communicate()[1]
                assert time.monotonic() < give_up_s
                time.sleep(0.05)

    def end(self) -> tuple[int, str]:
        self.child.send_signal(signal.SIGTERM)
        _, log = self.child.communicate(timeout=60)
        return self.child.returncode, log


@pytest.fixture
def started(own_server: Server, tmp_path: Path) -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in processes:
        if process.child.poll() is None:
            process.child.kill()
        process.child.communicate()


def test_public_host_serves_tls_with_token(own_server: Server, tmp_path: Path, started: list[Process]) -> None:
    sets = ("gateway.host=0.0.0.0", f"gateway.token={TOKEN}", "gateway.tls_cert=self-signed")
    process = Process(own_server, tmp_path, *sets)
    started.append(process)
    url, cert = f"https://127.0.0.1:{process.port}", tmp_path / "gateway-cert.pem"
    process.wait_ready(url, verify=False)
    trusted = ssl.create_default_context(cafile=str(cert))
    with httpx.Client(base_url=url, verify=trusted, timeout=60) as client:
        assert client.get("/api/sources").status_code == 401
        answer = client.post("/api/session", json={"token": TOKEN})
        assert "Secure" in answer.headers["set-cookie"]
        assert client.get("/api/sources").json() == {"sources": []}
        assert "max-age" in client.get("/livez").headers["strict-transport-security"]
    code, log = process.end()
    assert code == 0
    assert TOKEN not in log


def test_stops_while_clients_are_connected(own_server: Server, tmp_path: Path, started: list[Process]) -> None:
    process = Process(own_server, tmp_path, "runtime.drain_s=100")
    started.append(process)
    url = f"http://127.0.0.1:{process.port}"
    process.wait_ready(url)
    ended, ready = threading.Event(), threading.Event()

    def follow() -> None:
        with httpx.stream("GET", f"{url}/api/events", timeout=60) as response:
            for line in response.iter_lines():
                if line == ": following":
                    ready.set()
        ended.set()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert ready.wait(60)
    began_s = time.monotonic()
    code, log = process.end()
    assert code == 0
    assert ended.wait(60)
    assert time.monotonic() - began_s < 80  # in order, and not because the time for it was over
    assert "drain_took_too_long" not in log and "exception" not in log.lower(), log


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (("gateway.host=0.0.0.0",), "so a token is needed"),
        (("gateway.host=0.0.0.0", "gateway.token=short"), "at least 16"),
        (("gateway.tls_cert=/no/such.pem",), "there is no such file"),
        (("gateway.host=192.0.2.1", f"gateway.token={TOKEN}"), "choose another port"),
    ],
)
def test_wrong_setting_exits_with_78(
    own_server: Server, tmp_path: Path, started: list[Process], sets: tuple[str, ...], says: str
) -> None:
    process = Process(own_server, tmp_path, *sets)
    started.append(process)
    _, log = process.child.communicate(timeout=90)
    assert process.child.returncode == 78
    assert says in log


def test_taken_port_is_named(own_server: Server, tmp_path: Path, started: list[Process]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = Process(own_server, tmp_path, port=port)
        started.append(process)
        _, log = process.child.communicate(timeout=90)
    assert process.child.returncode == 78
    assert f"gateway.port = {port}" in log
