"""Builds the parts of one gateway from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cornerman_common.profile_library import ProfileLibrary
from cornerman_gateway.addresses import AddressRules
from cornerman_gateway.app_state import AppState
from cornerman_gateway.fanout import Hub
from cornerman_gateway.preview import PreviewStreams
from cornerman_gateway.security import Auth
from cornerman_gateway.serving import is_loopback
from cornerman_gateway.uploads import Uploads
from cornerman_gateway.whip import Whip
from cornerman_shared.process.run_dir import runtime_dir

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice
    from cornerman_shared.aio import Spawn
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.process.metrics import Metrics
    from cornerman_shared.settings.tree import Settings


def build_state(
    settings: Settings, bus: Bus, metrics: Metrics, spawn: Spawn, choice: ModelChoice | None = None
) -> AppState:
    """Builds the state that routes share.

    Args:
        settings: of this process.
        bus: an open bus.
        metrics: of this process.
        spawn: starts a task that lives as long as the gateway.
        choice: of models; its settings are the defaults of sources. None = as the settings say.

    Raises:
        ConfigError: the gateway would listen beyond loopback without a token.
    """
    if choice is None:
        from cornerman_common.model_choice import described_models  # only for a gateway inside another program

        choice = described_models(settings)
    # Both need the pose package, which takes a while.
    from cornerman_common.exercise_library import ExerciseLibrary
    from cornerman_gateway.recording import Recordings

    settings = settings.model_copy(
        update={name: getattr(choice.settings, name) for name in ("encoder", "generator", "speak")}
    )
    web = settings.gateway
    folder = Path(web.upload_dir).expanduser() if web.upload_dir else runtime_dir(settings.runtime.dir) / "uploads"
    hub = Hub(bus, spawn)
    pushing: set[str] = set()
    return AppState(
        settings=settings,
        bus=bus,
        metrics=metrics,
        hub=hub,
        previews=PreviewStreams(bus, hub, spawn),
        uploads=Uploads(folder, web.upload_max_bytes, web.upload_keep_s, web.uploads_max_bytes),
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
        choice=choice,
        profiles=ProfileLibrary.of(web.profiles_dir),
        exercises=ExerciseLibrary.of(web.profiles_dir),
        recordings=Recordings(bus, spawn),
    )
