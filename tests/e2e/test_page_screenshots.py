"""Screenshots of every view. `make screenshots` keeps them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.screenshots import take
from tests.e2e.demo_process import FAKES

QUICK = (*FAKES, "speak.deadline_s=0")
STEPS = ("name", "ready", "countdown", "recording", "refused", "learned", "mistake")
VIEWS = {
    *(f"{view}-{scheme}" for scheme in ("dark", "light") for view in ("source", "moment", "settings", "wall", "add")),
    *(f"{view}-{scheme}" for scheme in ("dark", "light") for view in ("health", "docs", "login")),
    *(f"{view}-{size}" for size in ("phone", "laptop", "4k") for view in ("source", "wall", "add", "health")),
    *(f"state-{state}" for state in ("opening", "reconnecting", "failed", "ended")),
    *(f"person-{name}{size}" for name in ("half-seen", "two-people", "own-exercise") for size in ("", "-phone")),
    *(f"teach-{step}-{size}" for step in STEPS for size in ("desk", "phone")),
    *("teach-list-phone", "summary-dark", "summary-light", "many-dark", "many-light", "many-phone"),
    *("first-visit", "camera-error", "lost-server", "question-voice-timeline"),
}


@pytest.mark.timeout(1800)
async def test_screenshots_of_every_view(tmp_path: Path) -> None:
    wanted = os.environ.get("CORNERMAN_SCREENSHOTS")
    # To be looked at, with the bundled model; to be tested, with quick words.
    taken = {path.stem: path for path in await take(Path(wanted or tmp_path), () if wanted else QUICK)}
    assert set(taken) == VIEWS
    for name, path in taken.items():
        with Image.open(path) as image:
            colours = image.convert("RGB").resize((64, 36)).getcolors(64 * 36)
        assert colours is not None and len(colours) > 8, f"{name} is blank"
