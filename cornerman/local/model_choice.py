"""Model choice: back ends, gate and threads where none are set, from the models bundled with the package.

Uses the bundled coach, or fake back ends if torch or the coach is missing; notes say that the fakes' texts are echoes.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cornerman_shared.settings.source import Strategy
    from cornerman_shared.settings.tree import EncoderSettings, GeneratorSettings, Settings

ASSETS: Final = Path(__file__).parents[1] / "assets"
GATE: Final = {
    "threshold": "confidence_threshold",
    "min_interval_s": "min_interval_s",
    "repeat_window_s": "repeat_window_s",
    "context_chunks": "context_chunks",
}
"""Names in head.json -> settings below `speak`. A head may leave some out."""

GATE_OF_STRATEGY: Final[dict[str, tuple[str, ...]]] = {
    "head": tuple(GATE.values()),
    "llm": ("min_interval_s", "repeat_window_s", "context_chunks"),
}
"""Settings that a strategy takes from the head; the others take `context_chunks` only."""

PATTERN: Final = "test://pattern?seconds=30"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Chosen settings, and notes about them for people."""

    settings: dict[str, Any]
    notes: tuple[str, ...]


def demo_clip(assets: Path = ASSETS) -> tuple[str, str]:
    """URL of the demo's source, and a note if it is not the bundled clip."""
    path = assets / "demo.mp4"
    if path.is_file():
        return str(path), ""
    return PATTERN, "There is no bundled clip: a moving test pattern is watched instead."


def head_folder(settings: Settings) -> Path | None:
    """Folder of the head that decides, or of the head trained together with the generator's model; None if unknown."""
    if settings.speak.strategy == "head":
        return Path(settings.speak.head).expanduser() if settings.speak.head else ASSETS / "coach" / "head"
    if settings.generator.backend != "mobile_videogpt":
        return None
    model = settings.generator.model
    return (Path(model).expanduser() if model else ASSETS / "coach") / "head"


def gate_of(head: Path, was_set: Callable[[str], bool], strategy: Strategy = "head") -> dict[str, Any]:
    """Settings below `speak` that a head was calibrated with, without those that are set already.

    The threshold applies to strategy `head` only; the intervals also to `llm`; the number of chunks in the context
    to every strategy. Empty if head.json is missing or damaged: the decider reports a damaged head.
    """
    wanted = GATE_OF_STRATEGY.get(strategy, ("context_chunks",))
    try:
        stored = json.loads((head / "head.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    names = GATE.items() if isinstance(stored, dict) else ()
    return {
        setting: stored[name]
        for name, setting in names
        if name in stored and setting in wanted and not was_set(f"speak.{setting}")
    }


def threads_of(settings: Settings, was_set: Callable[[str], bool]) -> dict[str, Any]:
    """One torch thread for each half of the bundled model, unless set.

    The model is so small that a second thread mostly waits for the first, above all on a busy machine.
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
    """Chooses back ends and strategy among the installed and bundled ones; changes no setting that is set.

    Args:
        was_set: tells whether a setting, e.g. `encoder.backend`, is set by flag, variable or file.
        assets: folder of the bundled files.
        torch: True if torch is installed; None = look.
    """
    # The halves of a model belong together: with one set, the other is not chosen here.
    if was_set("encoder.backend") or was_set("generator.backend"):
        return ModelChoice({}, ())
    has_torch = importlib.util.find_spec("torch") is not None if torch is None else torch
    coach = assets / "coach"
    if not (has_torch and (coach / "config.json").is_file()):
        why = "no model is bundled" if has_torch else "torch is not installed: pip install 'cornerman[model]'"
        note = f"NO MODEL ({why}). The text below repeats the prompt, to show the flow. Its sentences mean nothing."
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
