"""Settings of an evaluation: lossless, deterministic, on a private server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from cornerman.local.options import CommandSettings, command_settings, quiet, with_models
from cornerman_common.bundle import bundled
from cornerman_common.pose_choice import FOLDER
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.overrides import merge

SETTINGS: Final[dict[str, Any]] = {
    "watch": {"lossless": True, "realtime": False, "loop": False, "display": False},
    # A long lease: no other process competes for the source, and a busy machine must not lose it.
    "bus": {"sources_poll_s": 0.05, "lease_ms": 60_000},
    # Batches depend on timing, and a batch changes the numbers slightly; single chunks give the same numbers each time.
    "encoder": {"backend": "mobile_videogpt", "batch": 1},
    "generator": {"backend": "mobile_videogpt", "concurrency": 1},
}


def eval_settings(
    folder: Path,
    strategy: str = "head",
    model: Path | None = None,
    config: str = "",
    sets: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> CommandSettings:
    """Settings with a server in `folder`, the coach, and the gate that its head was calibrated with.

    Args:
        folder: for the server's socket; the caller removes it.
        strategy: decides when to speak.
        model: folder of a trained coach; None = the bundled one.
        config: settings file.
        sets: `name=value` pairs; they replace every other setting here.
        verbose: show the services' logs.

    Raises:
        ConfigError: the folder holds no coach, or a setting is invalid.
    """
    coach: dict[str, Any] = {}
    if strategy == "skeleton":
        model = model or bundled(FOLDER)
        coach = {"encoder": {"backend": "pose"}}
    if model is not None:
        path = str(model.absolute())
        if not (model / "config.json").is_file():
            raise ConfigError(f"--model {str(model)!r} holds no trained coach: config.json is missing")
        halves = {"encoder": {"model": path}, "generator": {"model": path}, "speak": {"head": str(Path(path, "head"))}}
        coach = merge(coach, halves)
    own = merge(quiet(verbose), SETTINGS, coach, {"runtime": {"dir": str(folder / "run")}})
    own = merge(own, {"speak": {"strategy": strategy}, "redis": {"url": ""}, "sources": []})
    return with_models(command_settings(config, "", sets, own), Console(stderr=True).print)[0]
