"""What every route of one gateway shares. Made once in `service`; routes ask for it with `Depends(room_of)`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cornerman_shared.bus.connection import Bus
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.settings.tree import Settings
from fastapi import Depends
from starlette.requests import HTTPConnection

from cornerman_gateway.addresses import AddressRules
from cornerman_gateway.fanout import Hub, Spawn
from cornerman_gateway.preview import Screens
from cornerman_gateway.security import Auth, is_loopback
from cornerman_gateway.uploads import Uploads
from cornerman_gateway.whip import Whip


@dataclass(frozen=True)
class Room:
    """The gateway's parts."""

    settings: Settings
    bus: Bus
    metrics: Metrics
    hub: Hub
    screens: Screens
    uploads: Uploads
    auth: Auth
    addresses: AddressRules
    pushing: set[str]
    whip: Whip

    @classmethod
    def of(cls, settings: Settings, bus: Bus, metrics: Metrics, spawn: Spawn) -> Room:
        """The parts for these settings. `spawn` starts tasks that live as long as the gateway.

        Raises:
            ConfigError: the gateway would be open to others without a token.
        """
        web = settings.gateway
        folder = Path(web.upload_dir).expanduser() if web.upload_dir else runtime_dir(settings.runtime.dir) / "uploads"
        hub = Hub(bus, spawn)
        pushing: set[str] = set()
        return cls(
            settings=settings,
            bus=bus,
            metrics=metrics,
            hub=hub,
            screens=Screens(bus, hub, spawn),
            uploads=Uploads(folder, web.upload_max_bytes, web.upload_keep_s),
            auth=Auth.of(web),
            addresses=AddressRules(
                schemes=frozenset(web.schemes),
                folders=(*(Path(item).expanduser() for item in web.files), folder),
                allow_files=settings.capture.allow_files,
                allow_private_hosts=web.allow_private_hosts,
                allow_loopback=is_loopback(web.host),
            ),
            pushing=pushing,
            whip=Whip(bus, spawn, pushing),
        )


def room_of(connection: HTTPConnection) -> Room:
    """The room of the app that serves this request."""
    room = connection.app.state.room
    assert isinstance(room, Room)
    return room


TheRoom = Annotated[Room, Depends(room_of)]
