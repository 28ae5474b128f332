"""Paths and binaries of the embedded server; starting it is an integration test."""

import os
import stat
from pathlib import Path

import pytest

from cornerman_shared.bus import server_address, server_binary
from cornerman_shared.errors import ConfigError
from cornerman_shared.process import run_dir as rundir
from cornerman_shared.settings.tree import Settings, load_settings


def settings_in(folder: Path) -> Settings:
    return load_settings({"runtime": {"dir": str(folder)}})


def fake_server(folder: Path, name: str, output: str) -> Path:
    binary = folder / name
    binary.write_text(f"#!/bin/sh\necho '{output}'\n")
    binary.chmod(0o755)
    return binary


def test_equal_settings_give_one_socket(tmp_path: Path) -> None:
    assert server_address.server_socket(settings_in(tmp_path)) == server_address.server_socket(settings_in(tmp_path))
    assert server_address.with_server(settings_in(tmp_path)).redis.url == f"unix://{tmp_path}/valkey.sock"


def test_given_url_is_unchanged() -> None:
    settings = load_settings({"redis": {"url": "redis://host:1/2"}})
    assert server_address.with_server(settings) is settings


def test_deep_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    path = server_address.server_socket(settings_in(deep))
    assert len(os.fsencode(path)) <= rundir.SOCKET_PATH_MAX_BYTES
    assert path == server_address.server_socket(settings_in(deep))
    assert path != server_address.server_socket(settings_in(tmp_path / ("e" * 120)))


def test_odd_path_survives_the_url(tmp_path: Path) -> None:
    from redis.asyncio.connection import parse_url

    odd = tmp_path / "a b%c"
    url = server_address.with_server(settings_in(odd)).redis.url
    assert parse_url(url)["path"] == str(odd / "valkey.sock")


def test_runtime_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    assert stat.S_IMODE(rundir.runtime_dir(str(folder)).stat().st_mode) == 0o700


def test_runtime_folder_precedes_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert rundir.runtime_dir() == tmp_path / "cornerman"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert rundir.runtime_dir() == tmp_path / "cache" / "cornerman" / "run"


def test_missing_home_uses_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert rundir.runtime_dir().name == f"cornerman-{os.getuid()}"


def test_unusable_folder_names_the_setting(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match=r"runtime\.dir = .*CORNERMAN_RUNTIME__DIR"):
        rundir.runtime_dir(str(blocked / "run"))


def test_first_usable_binary_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("not a program")
    old = fake_server(tmp_path, "old", "Redis server v=6.2.7 sha=0")
    good = fake_server(tmp_path, "good", "Valkey server v=8.1.0 sha=0")
    monkeypatch.setattr(server_binary, "candidates", lambda: iter([broken, old, good]))
    assert server_binary.find_binary() == good


def test_missing_binary_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_server(tmp_path, "redis-server", "Redis server v=6.2.7 sha=0")
    monkeypatch.setattr(server_binary, "candidates", lambda: iter([old]))
    with pytest.raises(ConfigError, match=r"redis-server: version 6\.2 is too old.*apt install redis-server"):
        server_binary.find_binary()


def test_path_servers_replace_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fake_server(tmp_path, "valkey-server", "Valkey server v=9.0.0")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(server_binary.candidates()) == [own]
