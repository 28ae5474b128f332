"""State that all routes of one gateway share. Built once, in `parts`; routes get it through `StateDep`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from cornerman_common.exercise_library import ExerciseLibrary
    from cornerman_common.model_parts import ModelChoice
    from cornerman_common.profile_library import ProfileLibrary
    from cornerman_gateway.addresses import AddressRules
    from cornerman_gateway.fanout import Hub
    from cornerman_gateway.preview import PreviewStreams
    from cornerman_gateway.recording import Recordings
    from cornerman_gateway.security import Auth
    from cornerman_gateway.uploads import Uploads
    from cornerman_gateway.whip import Whip
    from cornerman_shared.bus.connection import Bus
    from cornerman_shared.process.metrics import Metrics
    from cornerman_shared.settings.tree import Settings


@dataclass(frozen=True)
class AppState:
    """The parts of one gateway.

    Attributes:
        choice: who encodes, decides and speaks, as the settings say.
        profiles: profiles and presets, bundled and the user's.
        exercises: the user's own exercises.
        recordings: landmarks that are collected to teach an exercise.
        pushing: ids of sources whose camera is being pushed by a browser now; one browser at a time.
    """

    settings: Settings
    bus: Bus
    metrics: Metrics
    hub: Hub
    previews: PreviewStreams
    uploads: Uploads
    auth: Auth
    addresses: AddressRules
    pushing: set[str]
    whip: Whip
    choice: ModelChoice
    profiles: ProfileLibrary
    exercises: ExerciseLibrary
    recordings: Recordings


def app_state(connection: HTTPConnection) -> AppState:
    """The state of the app that serves this request."""
    state = connection.app.state.gateway
    assert isinstance(state, AppState)
    return state


StateDep = Annotated[AppState, Depends(app_state)]
