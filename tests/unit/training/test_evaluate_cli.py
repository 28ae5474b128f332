"""`cornerman evaluate` on files: JSON, Markdown and pictures, and errors for missing input."""

import json
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman_shared.process.exit_codes import EXIT_CONFIG, EXIT_NO_INPUT

TRUTH = [{"video": "a.mp4", "feedbacks": ["Go deeper."], "feedback_timestamps": [4.0], "duration_s": 10.0}]
SAID = [
    {"video": "a.mp4", "feedbacks": ["Sink lower.", "Nice."], "feedback_timestamps": [4.5, 9.0], "duration_s": 10.0}
]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def files(folder: Path) -> list[str]:
    for name, table in (("truth", TRUTH), ("said", SAID)):
        (folder / f"{name}.json").write_text(json.dumps(table), encoding="utf-8")
    return ["evaluate", "--truth", str(folder / "truth.json"), "--said", str(folder / "said.json")]


def test_evaluate_writes_report_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke([*files(tmp_path), "--json", "--out", str(tmp_path / "out")]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["recall"] == pytest.approx(1.0)
    assert values["precision"] == pytest.approx(0.5)
    assert values["baselines"] == {}
    for name in ("report.md", "report.json", "said.json", "timeline.png", "confusion.png", "delays.png"):
        assert (tmp_path / "out" / name).stat().st_size > 100


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--said", "truth.json"], "--said needs --truth"),
        (["--gym", "--truth", "truth.json"], "--gym and a file"),
        (["--in-process", "--strategy", "rules"], "strategy head only"),
        (["--model", "."], "config.json is missing"),
        (["--in-process", "--model", "."], "--model cannot be loaded"),
        (["--truth", "truth.vtt"], "does not say which video"),
        (["clip.mp4"], "has no truth beside it"),
        (["clip.mp4", "--truth", "two.json"], "is about 2 videos, and one is given"),
        (["--duration", "1"], "choose 2 to 600 seconds"),
    ],
)
def test_missing_input_is_named(
    more: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files(tmp_path)
    (tmp_path / "two.json").write_text(json.dumps(TRUTH * 2), encoding="utf-8")
    (tmp_path / "truth.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nGo deeper.\n", encoding="utf-8")
    (tmp_path / "clip.mp4").write_bytes(b"")
    assert invoke(["evaluate", *more]) == EXIT_CONFIG
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("truth", ["truth.json", "nowhere.json"])
def test_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], truth: str) -> None:
    files(tmp_path)
    assert invoke(["evaluate", "--truth", truth]) == EXIT_NO_INPUT
    assert "there is no such file" in capsys.readouterr().err
