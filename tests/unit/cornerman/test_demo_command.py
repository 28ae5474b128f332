"""`cornerman demo`: which coach it starts."""

from __future__ import annotations

from typing import Any

import pytest

from cornerman.cli import invoke
from cornerman.commands import demo
from cornerman.local import page
from cornerman_common import model_choice
from cornerman_shared.settings.tree import load_settings


@pytest.mark.parametrize(
    ("words", "encoder"),
    [
        (["--port", "0"], "pose"),
        (["--headless"], "mobile_videogpt"),
        (["--port", "0", "--encoder", "mobile_videogpt"], "mobile_videogpt"),
    ],
)
def test_page_brings_the_coach_of_people(words: list[str], encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that was added on the demo's page got a coach that knows drawings only."""
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(demo, "run_sources", lambda chosen, *_, **__: started.append(chosen.overrides) or 0)
    monkeypatch.setattr(model_choice, "pose_missing", lambda assets, torch: "")
    monkeypatch.setattr(page, "missing", lambda: "")
    assert invoke(["demo", "--no-open", *words]) == 0
    assert load_settings(started[0]).encoder.backend == encoder
