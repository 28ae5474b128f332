"""Every view can be photographed. `make screenshots` keeps the pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.screenshots import take

VIEWS = {"first-visit", "source-dark", "source-light", "wall-dark", "add-light", "docs-dark", "source-phone", "wall-4k"}


@pytest.mark.timeout(240)
async def test_screenshots_of_every_view(tmp_path: Path) -> None:
    folder = Path(os.environ.get("CORNERMAN_SCREENSHOTS") or tmp_path)
    taken = {path.stem: path for path in await take(folder)}
    assert set(taken) >= VIEWS
    for name, path in taken.items():
        with Image.open(path) as image:
            colours = image.convert("RGB").resize((64, 36)).getcolors(64 * 36)
        assert colours is not None and len(colours) > 8, f"{name} is blank"
