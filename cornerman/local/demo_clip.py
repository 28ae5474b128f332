"""The demo's source: the bundled clip, or a test pattern where none is bundled."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ASSETS: Final = Path(__file__).parents[1] / "assets"
PATTERN: Final = "test://pattern?seconds=30"


def demo_clip(assets: Path = ASSETS) -> tuple[str, str]:
    """URL of the demo's source, and a note if it is not the bundled clip."""
    path = assets / "demo.mp4"
    if path.is_file():
        return str(path), ""
    return PATTERN, "There is no bundled clip: a moving test pattern is watched instead."
