"""The models of a process are known while it loads them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cornerman_encoder import service as encoder_service
from cornerman_generator import service as generator_service
from cornerman_shared.clock import VirtualClock
from cornerman_shared.errors import ConfigError
from cornerman_shared.process.health import Health
from cornerman_shared.settings.tree import Settings


@pytest.mark.parametrize(
    ("service", "role", "loop"),
    [(encoder_service, "encoder", "encode_loop"), (generator_service, "generator", "generate_loop")],
    ids=["encoder", "generator"],
)
async def test_loading_process_names_its_model(
    service: Any, role: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that started meanwhile chose another strategy than the encoder can serve."""
    health, settings = Health("any", "any-1", VirtualClock(5.0)), Settings()
    seen: list[dict[str, str]] = []

    def load(*_: object) -> None:
        seen.append(health.status().models)
        raise ConfigError("no such model")

    monkeypatch.setattr(service, f"make_{role}", load)
    context = SimpleNamespace(health=health, settings=settings, bus=SimpleNamespace(clock=VirtualClock(5.0)))
    with pytest.raises(ConfigError):
        await getattr(service, loop)(context)
    section = getattr(settings, role)
    assert (seen[0]["backend"], seen[0]["model"]) == (section.backend, section.model)
    assert ("abilities" in seen[0]) is (role == "generator")
