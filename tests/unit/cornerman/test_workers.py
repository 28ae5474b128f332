"""Roles that other processes serve, or soon will."""

from __future__ import annotations

from typing import Literal, TypeAlias

import pytest

from cornerman.local.workers import served_elsewhere, served_roles
from cornerman_common.running_models import check_joining
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import SourceSpec, SpeakSettings, Strategy
from cornerman_shared.settings.tree import EncoderSettings, Settings

Backend: TypeAlias = Literal["pose", "mobile_videogpt"]


def worker(role: str, state: str, host: str = "here", backend: str = "") -> WorkerStatus:
    models = {"backend": backend, "model": ""} if backend else {}
    return WorkerStatus(role, f"{role}-{host}", 1, host, state, 1.0, 2.0, 1, 0, models=models)


def test_loading_process_serves_its_role() -> None:
    """`run` started an encoder of its own beside one that was loading."""
    found = [worker("encoder", "starting"), worker("decider", "running"), worker("generator", "unhealthy")]
    assert served_roles(found) == {"encoder", "decider"}


def test_other_machines_are_named() -> None:
    found = [
        worker("capture", "running"),
        worker("decider", "starting"),
        worker("encoder", "starting", "gpu-box"),
        worker("generator", "starting", "one"),
        worker("generator", "running", "two"),
    ]
    assert served_elsewhere(found, "here") == {
        "decider": "decider on here (still loading)",
        "encoder": "encoder on gpu-box (still loading)",
        "generator": "generator on one, two",
    }


@pytest.mark.parametrize(
    ("strategy", "own", "backend", "message"),
    [
        ("skeleton", "pose", "mobile_videogpt", "reads landmarks of people"),
        ("head", "mobile_videogpt", "pose", "cannot read the features"),
    ],
)
def test_unfit_encoder_is_told_at_once(strategy: Strategy, own: Backend, backend: Backend, message: str) -> None:
    """Each decision said `strategy_failed`."""
    settings = Settings(encoder=EncoderSettings(backend=own))
    spec = SourceSpec(source_id="a", url="test://", speak=SpeakSettings(strategy=strategy))
    check_joining(spec, settings, [worker("encoder", "starting", backend=own)])
    check_joining(spec, settings, [])
    with pytest.raises(ConfigError, match=message):
        check_joining(spec, settings, [worker("encoder", "starting", backend=backend)])
