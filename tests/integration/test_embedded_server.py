"""The embedded server as a real process: socket, concurrent starts, data folder and end."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import redis

from cornerman_shared.bus import embedded
from cornerman_shared.bus.embedded import EmbeddedServer
from cornerman_shared.errors import ConfigError, FatalError
from cornerman_shared.settings.tree import Settings, load_settings

OWNER = """
import sys, time
from cornerman_shared.bus import embedded
from cornerman_shared.settings.tree import load_settings
server = embedded.start(load_settings({"runtime": {"dir": sys.argv[1]}}))
print(server.process.pid, flush=True)
time.sleep(600)
"""


def settings_in(folder: Path, data_dir: Path | None = None) -> Settings:
    return load_settings({"runtime": {"dir": str(folder)}, "redis": {"data_dir": str(data_dir) if data_dir else ""}})


def started(settings: Settings) -> EmbeddedServer:
    server = embedded.start(settings)
    assert server is not None
    return server


def test_server_answers_until_stopped(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with started(settings) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        assert client.ping()
        assert server.path.stat().st_mode & 0o077 == 0
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert not server.path.exists()
    assert not server.alive()


def test_server_wants_its_password(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with started(settings) as server:
        with redis.Redis.from_url(server.url) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert (tmp_path / "valkey.password").stat().st_mode & 0o077 == 0
        command = " ".join(psutil.Process(server.process.pid).cmdline())
        assert server.password not in command
        assert len(server.password) == 64


def test_memory_is_bounded(tmp_path: Path) -> None:
    settings = load_settings({"runtime": {"dir": str(tmp_path)}, "redis": {"maxmemory_bytes": 64 * 2**20}})
    with started(settings) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        assert client.info("memory")["maxmemory"] == 64 * 2**20
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            for number in range(64):
                client.set(f"key{number}", b"0" * 2**20)


def test_second_start_finds_the_first(tmp_path: Path) -> None:
    with started(settings_in(tmp_path)):
        assert embedded.start(settings_in(tmp_path)) is None


def test_concurrent_starts_give_one_server(tmp_path: Path) -> None:
    got: list[EmbeddedServer | None] = []
    all_have = threading.Barrier(5)

    def start() -> None:
        got.append(embedded.start(settings_in(tmp_path)))
        all_have.wait(100)  # a child of `die_with_parent` ends with the thread that started it

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    servers = [server for server in got if server is not None]
    assert len(got) == 5
    assert len(servers) == 1
    servers[0].stop()


def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    first = started(settings_in(tmp_path))
    first.process.kill()
    first.process.wait()
    assert first.path.exists()
    with started(settings_in(tmp_path)) as second, redis.Redis.from_url(second.url, password=second.password) as client:
        assert client.ping()


def test_data_folder_survives_a_kill(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "run", tmp_path / "data")
    with started(settings) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        client.set("orderly", 1)
    with started(settings) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        assert client.get("orderly") == b"1"
        client.set("killed", 2)
        server.process.kill()
        server.process.wait()
    with started(settings) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        assert (client.get("orderly"), client.get("killed")) == (b"1", b"2")


def test_no_data_folder_writes_nothing(tmp_path: Path) -> None:
    with started(settings_in(tmp_path)) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        client.set("a", 1)
    with started(settings_in(tmp_path)) as server, redis.Redis.from_url(server.url, password=server.password) as client:
        assert client.get("a") is None


def test_data_folder_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "STOP_S", 0.2)
    data = tmp_path / "data"
    with started(settings_in(tmp_path / "one", data)), pytest.raises(ConfigError, match=r"cornerman\.lock is locked"):
        embedded.start(settings_in(tmp_path / "two", data))


def test_failed_start_names_the_cause(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "appendonlydir").mkdir(parents=True)
    (data / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(FatalError, match=r"ended with 1; the end of .*valkey\.log"):
        embedded.start(settings_in(tmp_path / "run", data))


def test_server_ends_with_its_owner(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        assert psutil.pid_exists(server)
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        deadline = time.monotonic() + 60
        while _runs(server):
            assert time.monotonic() < deadline, "the server outlived its owner"
            time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
