"""The gym's command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornerman_training.gym.cli import main


def test_render_and_sheet_write_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "clip.mp4"
    assert main(["render", "--seed", "4", "--out", str(out), "--size", "64", "--fps", "8", "--duration", "4"]) == 0
    truth = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert len(truth["frames"]["exercise"]) == 32
    assert out.with_suffix(".vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    assert "seed: 4" in capsys.readouterr().out
    assert main(["render", "--seed", "4", "--out", str(tmp_path / "a.avi"), "--duration", "4"]) == 2
    assert main(["render", "--seed", "4", "--out", str(out), "--size", "63"]) == 2
    assert "even number" in capsys.readouterr().err
    assert main(["sheet", "--out", str(tmp_path / "s.png"), "--size", "32", "--columns", "3", "--rows", "1"]) == 0
