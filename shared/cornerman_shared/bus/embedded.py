"""Runs Valkey as a child process on a unix socket that only this user can open, with a password of its own.

Commands find the server by the path of its socket, see `cornerman_shared.bus.server_address`. A server that keeps its
data on disk gets a second one beside it for blobs, which writes nothing: docs/decisions/0010-blobs-have-a-server.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from cornerman_shared.bus.server_address import blobs_socket, server_password, server_socket, socket_url
from cornerman_shared.bus.server_binary import find_binary
from cornerman_shared.errors import ConfigError, FatalError
from cornerman_shared.process.die_with_parent import die_with_parent
from cornerman_shared.process.run_dir import runtime_dir

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import Settings

START_S: Final = 30.0
STOP_S: Final = 5.0


class EmbeddedServer:
    """A running server process, and the one for its blobs if there is one; `start` makes it, `stop` ends it."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, binary: Path, password: str) -> None:
        self.process = process
        self.path = path
        self.binary = binary
        self.password = password
        self.blobs: EmbeddedServer | None = None

    @property
    def url(self) -> str:
        return socket_url(self.path)

    def alive(self) -> bool:
        """Whether this server's process runs; says nothing of `blobs`."""
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
        if not answers(self.path, self.password):
            self.path.unlink(missing_ok=True)
        if self.blobs is not None:
            self.blobs.stop()

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
    server = start_main(settings, detached=detached)
    if server is not None:
        # One that a killed command left behind would be taken for a running server.
        blobs_socket(settings).unlink(missing_ok=True)
        if settings.redis.data_dir:
            try:
                server.blobs = start_blobs(settings, detached=detached)
            except BaseException:
                server.stop()
                raise
    return server


def start_main(settings: Settings, *, detached: bool = False) -> EmbeddedServer | None:
    """Starts the server for streams and state alone; as `start` otherwise."""
    path, password = server_socket(settings), server_password(settings)
    with _locked(runtime_dir(settings.runtime.dir) / "valkey.lock", wait_s=START_S):
        if answers(path, password):
            return None
        return _start(settings, path, settings.redis.data_dir, detached)


def start_blobs(settings: Settings, *, detached: bool = False) -> EmbeddedServer:
    """Starts the server for blobs, which keeps nothing on disk; raises as `start` does."""
    return _start(settings, blobs_socket(settings), "", detached)


def _start(settings: Settings, path: Path, data_dir: str, detached: bool) -> EmbeddedServer:
    folder, password, binary = runtime_dir(settings.runtime.dir), server_password(settings), find_binary()
    path.unlink(missing_ok=True)
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
        log = folder / path.with_suffix(".log").name
        command = [str(binary), "-"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command if detached else die_with_parent(command),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,
            )
        server = EmbeddedServer(process, path, binary, password)
        assert process.stdin is not None
        # Through stdin, because other users see command lines.
        with contextlib.suppress(BrokenPipeError), process.stdin as configuration:
            configuration.write(_configuration(settings, path, data, password, keep=bool(data_dir)))
        _await_answer(server, log)
    return server


def _configuration(settings: Settings, path: Path, data: Path, password: str, *, keep: bool) -> bytes:
    most_bytes = settings.redis.maxmemory_bytes or psutil.virtual_memory().total // 2
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "requirepass": password,
        "dir": str(data),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes" if keep else "no",
        # up to one second of writes is lost if the machine fails, none if only the server is killed
        "appendfsync": "everysec",
        "maxmemory": str(most_bytes),
        # An evicted stream entry would be a lost chunk; of the blobs, the one that expires first is the best to lose.
        "maxmemory-policy": "volatile-ttl" if path == blobs_socket(settings) else "noeviction",
        "loglevel": "notice",
    }
    lines = [f"{name} {_quoted(value)}" for name, value in options.items()]
    return ("\n".join(lines) + "\n").encode()


def _quoted(value: str) -> str:
    """A value as the server's configuration reads it, in double quotes."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _await_answer(server: EmbeddedServer, log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while not answers(server.path, server.password):
        code = server.process.poll()
        if code is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
            continue
        failure = f"ended with {code}" if code is not None else f"did not answer within {START_S:g} s"
        server.stop()
        tail = log.read_text(errors="replace").strip().splitlines()[-5:]
        raise FatalError(f"{server.binary} {failure}; the end of {log}:\n" + "\n".join(tail))


def answers(path: Path, password: str) -> bool:
    """Whether a ready server listens on this socket. A server that still loads its data is not ready."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as replies:
                # A server without a password refuses AUTH and answers PING.
                return [replies.readline(), replies.readline()][1].startswith(b"+PONG")
    except OSError:
        return False


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
