"""Fixtures for every test: a real server of each kind that is installed, and a bus on it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
import redis
import structlog

from cornerman_shared import redact
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.bus.server_url import is_several
from cornerman_shared.settings.tree import Settings, load_settings
from tests.clips import write_start
from tests.several_servers import Cluster, Sentinels, Servers, running

# The time of an example depends on the machine, not on the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
# As in the services: rendering a traceback with the values of variables takes seconds.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the start of the bundled clip."""
    return str(write_start(tmp_path_factory.mktemp("clip") / "short.mp4"))


@dataclass
class Server:
    """A Redis or Valkey process on a unix socket."""

    binary: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    aof: bool = False

    @property
    def socket(self) -> Path:
        return self.folder / "s.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--daemonize",
            "no",
        ]
        options += ["--appendonly", "yes", "--appendfsync", "always"] if self.aof else []
        self.process = subprocess.Popen(
            [str(self.binary), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.exceptions.RedisError:
                    assert time.monotonic() < deadline, f"{self.binary} did not start"
                    time.sleep(0.02)

    def empty(self) -> None:
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            client.flushall()
            client.script_flush()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)


def _binaries() -> dict[str, Path]:
    found = {"valkey": find_binary()}
    redis_server = shutil.which("redis-server")
    if redis_server:
        found["redis"] = Path(redis_server)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module marked `topologies` runs on several servers at once as well."""
    if "shared_server" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("topologies")
        several = marker.args if marker else ()
        metafunc.parametrize("shared_server", [*sorted(_binaries(), reverse=True), *several], indirect=True)


@pytest.fixture(scope="session")
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server | Servers]:
    """Servers for the whole session: Valkey, Redis where it is installed, and several at once."""
    folder = tmp_path_factory.mktemp("srv")
    if request.param in ("cluster", "sentinel"):
        several = Cluster(folder) if request.param == "cluster" else Sentinels(folder)
        with running(several):
            yield several
        return
    server = Server(_binaries()[request.param], folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A command that ran inside a test leaves its level and form to no other test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of one test hides no words in another."""
    monkeypatch.setattr(redact, "_secrets", OrderedDict())
    monkeypatch.setattr(redact, "_pattern", None)


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The session's server, emptied."""
    shared_server.empty()
    return shared_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A Valkey with an append-only file, which a test may kill and start again."""
    server = Server(find_binary(), tmp_path, aof=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    """Settings for tests: short polls, long leases, the test's server."""
    return fast_settings(server.url, tmp_path)


def fast_settings(url: str, folder: Path, **bus: object) -> Settings:
    """Settings with short polls and long limits, so that a machine that stands still for seconds loses no lease.

    A test that needs the end of a lease deletes its key (`waiting.expire_key`), or sets a short lease where it does not
    matter how often it ends.
    """
    quick = {"block_ms": 50, "heartbeat_ms": 100, "sources_poll_s": 0.05, "idle_ms": 15_000, "lease_ms": 15_000, **bus}
    shards = 4 if is_several(url) else 1
    runtime = {"dir": str(folder), "drain_s": 60.0}
    own = {"profiles_dir": str(folder / "profiles")}  # not those of whoever runs the tests
    return load_settings({"redis": {"url": url, "shards": shards}, "bus": quick, "runtime": runtime, "gateway": own})


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    """A bus on the test's server."""
    async with Bus.connect(settings) as bus:
        await bus.ready(60)
        yield bus
