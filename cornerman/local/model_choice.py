"""What comes with the package: a clip, a small coach model and its trained head. Says what is there, and what is not.

Where nobody has chosen back ends, the coach plays; without it fakes do, and people are told that their words mean
nothing.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cornerman_shared.settings.source import Strategy
from cornerman_shared.settings.tree import EncoderSettings, GeneratorSettings, Settings

ASSETS: Final = Path(__file__).parents[1] / "assets"
GATE: Final = {
    "threshold": "confidence_threshold",
    "min_interval_s": "min_interval_s",
    "repeat_window_s": "repeat_window_s",
    "context_chunks": "context_chunks",
}
"""Names in head.json, and the settings below `speak` that they are; a head need not name them all."""

ASKED: Final[dict[str, tuple[str, ...]]] = {
    "head": tuple(GATE.values()),
    "llm": ("min_interval_s", "repeat_window_s", "context_chunks"),
}
"""Which of them matter to a strategy."""

PATTERN: Final = "test://pattern?seconds=30"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Settings that put players where none were chosen, and what a person must be told about them."""

    settings: dict[str, Any]
    notes: tuple[str, ...]


def clip(assets: Path = ASSETS) -> tuple[str, str]:
    """The source of the demo, and a note when it is not the bundled clip."""
    path = assets / "demo.mp4"
    if path.is_file():
        return str(path), ""
    return PATTERN, "There is no bundled clip: a moving test pattern is watched instead."


def head_of(settings: Settings) -> Path | None:
    """Where the head lies that decides, or else the one that was trained together with the model that speaks."""
    if settings.speak.strategy == "head":
        return Path(settings.speak.head).expanduser() if settings.speak.head else ASSETS / "coach" / "head"
    if settings.generator.backend != "mobile_videogpt":
        return None
    model = settings.generator.model
    return (Path(model).expanduser() if model else ASSETS / "coach") / "head"


def gate_of(head: Path, was_set: Callable[[str], bool], strategy: Strategy = "head") -> dict[str, Any]:
    """Settings below `speak`, of those that nobody has chosen, that a coach was trained and calibrated with.

    The threshold is the head's own; how often to speak also holds where the coach's language model decides; how many
    chunks the words are about holds whoever decides. Nothing where the head's file says nothing or is damaged; the
    decider tells people of a damaged head.
    """
    wanted = ASKED.get(strategy, ("context_chunks",))
    try:
        told = json.loads((head / "head.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    names = GATE.items() if isinstance(told, dict) else ()
    return {
        setting: told[name]
        for name, setting in names
        if name in told and setting in wanted and not was_set(f"speak.{setting}")
    }


def threads_of(settings: Settings, was_set: Callable[[str], bool]) -> dict[str, Any]:
    """One torch thread for each half of the bundled model, where nobody chose.

    It is so small that a second thread mostly waits for the first, above all when other processes want the cores too.
    """
    halves: dict[str, EncoderSettings | GeneratorSettings] = {
        "encoder": settings.encoder,
        "generator": settings.generator,
    }
    return {
        name: {"threads": 1}
        for name, half in halves.items()
        if half.backend == "mobile_videogpt" and not half.model and not was_set(f"{name}.threads")
    }


def choose_models(was_set: Callable[[str], bool], assets: Path = ASSETS, torch: bool | None = None) -> ModelChoice:
    """The best players that this installation has, for the roles that nobody has filled.

    Args:
        was_set: has somebody chosen this setting, e.g. `encoder.backend`?
        assets: where the bundled files lie.
        torch: is torch installed? None = look.
    """
    if was_set("encoder.backend") or was_set("generator.backend"):
        return ModelChoice({}, ())
    has_torch = importlib.util.find_spec("torch") is not None if torch is None else torch
    coach = assets / "coach"
    if not (has_torch and (coach / "config.json").is_file()):
        why = "no model is bundled" if has_torch else "torch is not installed: pip install 'cornerman[model]'"
        note = f"NO MODEL ({why}). The words below are echoes of the prompt, to show the flow. They mean nothing."
        return ModelChoice(
            {"encoder": {"backend": "fake"}, "generator": {"backend": "echo", "echo_delay_ms": 20.0}}, (note,)
        )
    settings: dict[str, Any] = {
        "encoder": {"backend": "mobile_videogpt"},
        "generator": {"backend": "mobile_videogpt"},
    }
    if was_set("speak.strategy"):
        return ModelChoice(settings, ())
    if (coach / "head").is_dir():
        return ModelChoice({**settings, "speak": {"strategy": "head", **gate_of(coach / "head", was_set)}}, ())
    return ModelChoice(settings, ("There is no bundled head: simple rules decide when to speak.",))
