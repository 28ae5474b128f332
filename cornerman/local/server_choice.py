"""Which server a command works on: the one named, one that `cornerman up` keeps, or one of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from cornerman_shared.bus import embedded
from cornerman_shared.bus.embedded import EmbeddedServer
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.settings.overrides import merge
from cornerman_shared.settings.tree import Settings

Command = Literal["up", "run", "demo"]

OWNER: Final = "owner.json"


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """Where the command works.

    `server` is None when somebody else keeps it. `overrides` are what the children must be told.
    """

    settings: Settings
    overrides: dict[str, Any]
    server: EmbeddedServer | None

    @property
    def shared(self) -> bool:
        """Other commands' services may work there too."""
        return self.server is None


@contextlib.contextmanager
def choose_server(settings: Settings, overrides: dict[str, Any], command: Command) -> Iterator[ServerChoice]:
    """Finds or starts the server; stops it at the end if it was ours.

    `redis.url` is taken as it is. Otherwise the embedded server of the user's runtime folder is started. If
    one runs there: `run` joins the one that `up` keeps; a second `run` or `demo` gets a server and a folder
    of its own, so that it does not end with the first.

    Raises:
        ConfigError: see `cornerman_shared.bus.embedded.start`.
        FatalError: the server did not start.
    """
    if settings.redis.url:
        yield ServerChoice(settings, merge(overrides, {"redis": {"url": settings.redis.url}}), None)
        return
    folder = runtime_dir(settings.runtime.dir)
    server = embedded.start(settings)
    if server is None and (command == "up" or (command == "run" and _owner(folder) == "up")):
        yield _place(settings, overrides, None)
        return
    private: Path | None = None
    if server is None:
        private = folder / f"{command}-{os.getpid()}"
        overrides = merge(overrides, {"runtime": {"dir": str(private)}, "redis": {"data_dir": ""}})
        settings = settings.model_copy(
            update={
                "runtime": settings.runtime.model_copy(update={"dir": str(private)}),
                "redis": settings.redis.model_copy(update={"data_dir": ""}),
            }
        )
        server = embedded.start(settings)
        folder = private
    (folder / OWNER).write_text(json.dumps({"pid": os.getpid(), "command": command}), encoding="utf-8")
    try:
        yield _place(settings, overrides, server)
    finally:
        if server is not None:
            server.stop()
        (folder / OWNER).unlink(missing_ok=True)
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)


def _place(settings: Settings, overrides: dict[str, Any], server: EmbeddedServer | None) -> ServerChoice:
    settings = embedded.with_server(settings)
    told = {"redis": {"url": settings.redis.url}, "runtime": {"dir": str(runtime_dir(settings.runtime.dir))}}
    return ServerChoice(settings, merge(overrides, told), server)


def _owner(folder: Path) -> str:
    """The command that keeps the server of this folder; "" when it is gone or unknown."""
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return str(owner["command"]) if psutil.pid_exists(int(owner["pid"])) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
