"""Server choice: the named server, the one that `cornerman up` runs, or a private embedded one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cornerman.local.server_owner import OWNER, owner_of
from cornerman_shared.bus import embedded
from cornerman_shared.bus.embedded import EmbeddedServer
from cornerman_shared.bus.server_address import with_server
from cornerman_shared.errors import RetryableError
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.overrides import merge
from cornerman_shared.settings.tree import Settings

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

Command = Literal["up", "run", "demo"]

SAY_S: Final = 2.0
RUN_WAITS_S: Final = 10.0
UP_WAITS_S: Final = 30.0
"""Services may be started together with their server."""


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """The server that a command uses.

    Attributes:
        settings: settings with this server's URL.
        overrides: nested settings that child processes need to find the server.
        server: None if another process runs it.
    """

    settings: Settings
    overrides: dict[str, Any]
    server: EmbeddedServer | None

    @property
    def shared(self) -> bool:
        """True if services of other commands may run on this server."""
        return self.server is None


@contextlib.contextmanager
def choose_server(settings: Settings, overrides: dict[str, Any], command: Command) -> Iterator[ServerChoice]:
    """Finds or starts the server; stops it at the end if this command started it.

    A `redis.url` is used as it is. Otherwise the embedded server of the user's runtime folder is started. If one
    runs there already, `run` joins the server of `up` if the models are the same; otherwise `run` and `demo` start a
    private server in a folder of their own, because the first command stops its server when it ends.

    Raises:
        ConfigError: see `cornerman_shared.bus.embedded.start`.
        FatalError: the server did not start.
    """
    if settings.redis.url:
        if with_server(settings) is not settings:  # the address of the embedded server
            yield _with_url(settings, overrides, None)
        else:
            yield ServerChoice(settings, merge(overrides, {"redis": {"url": settings.redis.url}}), None)
        return
    folder = runtime_dir(settings.runtime.dir)
    server = embedded.start(settings)
    if server is None and (
        command == "up" or (command == "run" and owner_of(folder) == "up" and _fits_running(settings))
    ):
        yield _with_url(settings, overrides, None)
        return
    private: Path | None = None
    if server is None:
        # The user's data folder stays with the first server.
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
    # Later commands read from it whether they may join this server.
    (folder / OWNER).write_text(json.dumps({"pid": os.getpid(), "command": command}), encoding="utf-8")
    try:
        yield _with_url(settings, overrides, server)
    finally:
        if server is not None:
            server.stop()
        (folder / OWNER).unlink(missing_ok=True)
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)


async def wait_for_server(bus: Bus, note: Callable[[str], None], timeout_s: float = RUN_WAITS_S) -> None:
    """Waits until the server answers; after `SAY_S` seconds it says for what.

    Raises:
        RetryableError: no answer within `timeout_s`.
        ConfigError: see `Bus.ready`.
    """
    try:
        await bus.ready(SAY_S)
    except RetryableError:
        note(f"waiting for the server at {redact_url(bus.url)} ({timeout_s:g} s at most)")
        await bus.ready(timeout_s)


def _with_url(settings: Settings, overrides: dict[str, Any], server: EmbeddedServer | None) -> ServerChoice:
    # Children connect by URL; they never start a server.
    settings = with_server(settings)
    redis = settings.redis
    own = {
        "redis": {"url": redis.url, "blobs_url": redis.blobs_url, "password": redis.password},
        "runtime": {"dir": str(runtime_dir(settings.runtime.dir))},
    }
    return ServerChoice(settings, merge(overrides, own), server)


def _fits_running(settings: Settings) -> bool:
    # Imported here: few commands find services of `cornerman up`.
    from cornerman.local.running import fits_running

    return fits_running(settings)
