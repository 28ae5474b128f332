"""Supervises the embedded servers of a command: restarts them if the data is on disk, else gives up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cornerman.local.child import describe_exit
from cornerman.local.restarts import NextTry, Restarts
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus import embedded
from cornerman_shared.errors import FatalError

if TYPE_CHECKING:
    from cornerman.local.launcher import LogLine
    from cornerman.local.server_choice import ServerChoice
    from cornerman_shared.bus.embedded import EmbeddedServer
    from cornerman_shared.errors import CornermanError

POLL_S: Final = 0.25


async def supervise_server(choice: ServerChoice, failure: asyncio.Future[CornermanError], log: LogLine) -> None:
    """Checks the servers until one is given up or this is cancelled; returns at once if another process runs them.

    Only a server with a data folder is restarted: the entries of an in-memory server are lost with it. The server for
    blobs is restarted too: a lost blob costs its chunk, which is counted.

    Args:
        failure: set to the error when the supervisor gives up.
        log: called on each restart.
    """
    server = choice.server
    if server is None:
        return
    # The URL in the settings is that of the dead server; empty means an embedded one.
    own = choice.settings.model_copy(update={"redis": choice.settings.redis.model_copy(update={"url": ""})})
    watched = [_Watched("the embedded server", server, lambda: embedded.start_main(own))]
    if server.blobs is not None:
        watched.append(_Watched("the embedded server for blobs", server.blobs, lambda: embedded.start_blobs(own)))
    lost = (
        ""
        if choice.settings.redis.data_dir
        else "and what it held is lost; to keep data, give --set redis.data_dir=FOLDER"
    )
    while True:
        await asyncio.sleep(POLL_S)
        for one in watched:
            if one.server.alive():
                continue
            why = f"{one.name} {describe_exit(one.server.process.returncode)}"
            again = one.crashed(time.monotonic())
            if again.down or lost:
                # The launcher may have given up first; its reason stays.
                if not failure.done():
                    failure.set_result(FatalError(f"{why}, {lost or 'again and again'}"))
                return
            log("server", f"{why}; starting it again")
            await asyncio.sleep(again.wait_s)
            # From this thread: the server dies with the thread that starts it.
            new = one.start()
            if new is None:
                failure.set_result(FatalError(f"{why}, and another process has started one in its place"))
                return
            # `choose_server` stops the process that this object holds at the end.
            one.server.process = new.process
            one.started_s = time.monotonic()


class _Watched:
    """A server with its restarts."""

    def __init__(self, name: str, server: EmbeddedServer, start: Callable[[], EmbeddedServer | None]) -> None:
        self.name = name
        self.server = server
        self.start = start
        self.started_s = time.monotonic()
        self._restarts = Restarts(Backoff(0.1, 5.0))

    def crashed(self, now_s: float) -> NextTry:
        return self._restarts.crashed(now_s, now_s - self.started_s)
