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


@pytest.mark.parametrize(
    ("command", "out", "sentence"),
    [("sheet", "s.nope", "must end in .png"), ("sheet", "d.png", "is a folder"), ("render", "d.mp4", "is a folder")],
)
def test_impossible_target_is_told_first(
    command: str, out: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sheet was drawn, and then thrown away with a traceback."""
    (tmp_path / "d.png").mkdir()
    (tmp_path / "d.mp4").mkdir()
    seed = ["--seed", "4"] if command == "render" else []
    assert main([command, "--out", str(tmp_path / out), *seed]) == 2
    assert sentence in capsys.readouterr().err


def test_closed_folder_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file/below"):
        main(["sheet", "--out", str(tmp_path / "file" / "below" / "s.png")])
