"""The evaluation's command: files in, JSON, Markdown and pictures out; errors are sentences."""

import json
from pathlib import Path

import pytest

from training.evaluate.cli import main

TRUTH = [{"video": "a", "feedbacks": ["Go deeper."], "feedback_timestamps": [4.0], "duration_s": 10.0}]
SAID = [{"video": "a", "feedbacks": ["Sink lower.", "Nice."], "feedback_timestamps": [4.5, 9.0], "duration_s": 10.0}]


def files(folder: Path) -> list[str]:
    for name, table in (("truth", TRUTH), ("said", SAID)):
        (folder / f"{name}.json").write_text(json.dumps(table), encoding="utf-8")
    return ["--truth", str(folder / "truth.json"), "--said", str(folder / "said.json")]


def test_json_report_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files(tmp_path), "--json", "--out", str(tmp_path / "out")]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["recall"] == pytest.approx(1.0)
    assert values["precision"] == pytest.approx(0.5)
    assert "interval" in values["baselines"]
    for name in ("report.md", "report.json", "timeline.png", "confusion.png", "delays.png"):
        assert (tmp_path / "out" / name).stat().st_size > 100


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(files(tmp_path)[:2]) == 2
    assert "--said" in capsys.readouterr().err
    assert main(["--gym", "--model", str(tmp_path), "--sessions", "1"]) == 2
    assert "error:" in capsys.readouterr().err
