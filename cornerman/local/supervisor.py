"""Supervises the embedded server of a command: restarts it if it keeps its data on disk, else gives up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from cornerman.local.child import describe_exit
from cornerman.local.restarts import Restarts
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus import embedded

if TYPE_CHECKING:
    from cornerman.local.launcher import LogLine
    from cornerman.local.server_choice import ServerChoice

POLL_S: Final = 0.25


async def supervise_server(choice: ServerChoice, failure: asyncio.Future[str], log: LogLine) -> None:
    """Checks the server until it is given up or cancelled; returns at once if another process runs the server.

    Only a server with a data folder is restarted: the entries of an in-memory server are lost with it.

    Args:
        failure: set to the reason when the supervisor gives up.
        log: called on each restart.
    """
    server = choice.server
    if server is None:
        return
    restarts = Restarts(Backoff(0.1, 5.0))
    started_s = time.monotonic()
    while True:
        await asyncio.sleep(POLL_S)
        if server.alive():
            continue
        why = f"the embedded server {describe_exit(server.process.returncode)}"
        now_s = time.monotonic()
        again = restarts.crashed(now_s, now_s - started_s)
        if again.down or not choice.settings.redis.data_dir:
            # The launcher may have given up first; its reason stays.
            if not failure.done():
                kept = (
                    "again and again"
                    if choice.settings.redis.data_dir
                    else ("and what it held is lost; to keep data, give --set redis.data_dir=FOLDER")
                )
                failure.set_result(f"{why}, {kept}")
            return
        log("server", f"{why}; starting it again")
        await asyncio.sleep(again.wait_s)
        # From this thread: the server dies with the thread that starts it.
        # The URL in the settings is that of the dead server; empty means an embedded one.
        own = choice.settings.model_copy(update={"redis": choice.settings.redis.model_copy(update={"url": ""})})
        new = embedded.start(own)
        if new is None:
            failure.set_result(f"{why}, and another process has started one in its place")
            return
        # `choose_server` stops the process that this object holds at the end.
        server.process = new.process
        started_s = time.monotonic()
