"""Keeps our own embedded server running beside a command: started again when it keeps its data, else given up."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from cornerman.local.launcher import Say, how_it_ended
from cornerman.local.restarts import Restarts
from cornerman.local.server_choice import ServerChoice
from cornerman_shared.backoff import Backoff
from cornerman_shared.bus import embedded

LOOK_S: Final = 0.25


async def keep_server(place: ServerChoice, failure: asyncio.Future[str], say: Say) -> None:
    """Watches the server for ever; returns at once when it is not ours.

    What an in-memory server held is gone with it, so that only one with a data folder is started again.

    Args:
        failure: gets the reason when we give up.
        say: told of each restart.
    """
    server = place.server
    if server is None:
        return
    restarts = Restarts(Backoff(0.1, 5.0))
    while True:
        await asyncio.sleep(LOOK_S)
        if server.alive():
            continue
        why = f"the embedded server {how_it_ended(server.process.returncode)}"
        wait_s = restarts.crashed(time.monotonic()) if place.settings.redis.data_dir else None
        if wait_s is None:
            if not failure.done():
                kept = (
                    "again and again"
                    if place.settings.redis.data_dir
                    else ("and what it held is lost; to keep data, give --set redis.data_dir=FOLDER")
                )
                failure.set_result(f"{why}, {kept}")
            return
        say("server", f"{why}; starting it again")
        await asyncio.sleep(wait_s)
        # From the main thread: the server is tethered to the thread that starts it.
        own = place.settings.model_copy(update={"redis": place.settings.redis.model_copy(update={"url": ""})})
        again = embedded.start(own)
        if again is None:
            failure.set_result(f"{why}, and somebody else's runs in its place")
            return
        server.process = again.process
