"""What every route of one gateway shares. Made once in `service`; routes ask for it with `Depends(app_state)`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from cornerman_gateway.addresses import AddressRules
from cornerman_gateway.fanout import Hub, Spawn
from cornerman_gateway.preview import PreviewStreams
from cornerman_gateway.security import Auth, is_loopback
from cornerman_gateway.uploads import Uploads
from cornerman_gateway.whip import Whip
from cornerman_shared.bus.connection import Bus
from cornerman_shared.process.metrics import Metrics
from cornerman_shared.process.run_dir import runtime_dir
from cornerman_shared.settings.tree import Settings


@dataclass(frozen=True)
class AppState:
    """The gateway's parts."""

    settings: Settings
    bus: Bus
    metrics: Metrics
    hub: Hub
    screens: PreviewStreams
    uploads: Uploads
    auth: Auth
    addresses: AddressRules
    pushing: set[str]
    whip: Whip

    @classmethod
    def of(cls, settings: Settings, bus: Bus, metrics: Metrics, spawn: Spawn) -> AppState:
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
            screens=PreviewStreams(bus, hub, spawn),
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


def app_state(connection: HTTPConnection) -> AppState:
    """The room of the app that serves this request."""
    room = connection.app.state.room
    assert isinstance(room, AppState)
    return room


TheRoom = Annotated[AppState, Depends(app_state)]
