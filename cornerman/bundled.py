"""What comes with the package: a clip, a small coach model and its trained head. Says what is there, and what is
not."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ASSETS: Final = Path(__file__).parent / "assets"
PATTERN: Final = "test://pattern?seconds=30"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays in the demo. `notes` tell a person what is not the real thing."""

    source: str
    settings: dict[str, Any]
    title: str
    notes: tuple[str, ...]


def cast(assets: Path = ASSETS, torch: bool | None = None) -> Cast:
    """The best demo that this installation can give.

    Args:
        assets: where the bundled files lie.
        torch: is torch installed? None = look.
    """
    has_torch = importlib.util.find_spec("torch") is not None if torch is None else torch
    clip, coach = assets / "demo.mp4", assets / "coach"
    notes = []
    if clip.is_file():
        source = str(clip)
    else:
        source = PATTERN
        notes.append("There is no bundled clip: a moving test pattern is watched instead.")
    settings: dict[str, Any] = {"speak": {"strategy": "rules"}}
    if has_torch and coach.is_dir():
        settings["encoder"] = {"backend": "mobile_videogpt", "model": str(coach)}
        settings["generator"] = {"backend": "mobile_videogpt", "model": str(coach)}
        words = "the bundled coach model"
        if (coach / "head").is_dir():
            settings["speak"] = {"strategy": "head"}
        else:
            notes.append("There is no bundled head: simple rules decide when to speak.")
    else:
        settings["encoder"] = {"backend": "fake"}
        settings["generator"] = {"backend": "echo", "echo_delay_ms": 20.0}
        words = "NO MODEL"
        why = "torch is not installed: pip install 'cornerman[model]'" if not has_torch else "no model is bundled"
        notes.append(f"No model ({why}): the words are echoes of the prompt, to show the flow. They mean nothing.")
    title = f"{Path(source).name if clip.is_file() else source} · {settings['speak']['strategy']} · {words}"
    return Cast(source, settings, title, tuple(notes))
