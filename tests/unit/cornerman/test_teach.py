"""`cornerman teach` and `cornerman exercises` on landmark files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman_pose.files import write_landmarks
from tests.unit.pose.moves import take


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORNERMAN_GATEWAY__PROFILES_DIR", str(tmp_path / "mine"))
    write_landmarks(tmp_path / "good.npz", take(5))
    write_landmarks(tmp_path / "bad.npz", take(5, lean=0.4, seed=1))
    return tmp_path


def test_exercise_is_taught_listed_and_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = str(folder / "good.npz"), str(folder / "bad.npz")
    assert invoke(["teach", "raise", good, "--mistake", "Stand straight.", bad]) == 0
    assert "5 good repetitions" in capsys.readouterr().out
    assert invoke(["exercises", "list", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["name"], row["problem"]) == ("raise", "")
    assert row["mistakes"] == [{"name": "stand_straight", "say": "Stand straight.", "words": "owner", "repetitions": 5}]
    assert invoke(["exercises", "show", "raise"]) == 0
    (folder / "theirs.yaml").write_text(capsys.readouterr().out)
    assert invoke(["exercises", "add", str(folder / "theirs.yaml")]) == 0
    assert invoke(["exercises", "remove", "raise"]) == 0
    capsys.readouterr()
    assert invoke(["exercises", "list"]) == 0
    assert "theirs" in capsys.readouterr().out


def test_sureness_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Poor examples were saved without a word."""
    good, bad, same = str(folder / "good.npz"), str(folder / "bad.npz"), str(folder / "same.npz")
    write_landmarks(folder / "same.npz", take(5, seed=2))
    assert invoke(["teach", "raise", good, "--mistake", "Stand straight.", bad]) == 0
    printed = capsys.readouterr().out
    assert "of 10 repetitions shown it tells 10 right" in printed and "Doubtful" not in printed
    assert invoke(["teach", "other", good, "--mistake", "Stand straight.", same]) == 0
    assert "Doubtful: 'Stand straight.': the mistake hardly differs" in capsys.readouterr().out
    assert invoke(["teach", "third", good, "--mistake", "Stand straight.", bad, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["good"]["repetitions"], row["good"]["doubts"]) == (5, [])
    assert (row["mistakes"][0]["told"], row["mistakes"][0]["shown"], row["mistakes"][0]["doubts"]) == (10, 10, [])


def test_typical_mistakes_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(folder / "good.npz")
    for arguments, message in (
        (["teach", "raise", good, "--reps", "9"], "shows 5 repetitions"),
        (["teach", "squat", good], "bundled exercise"),
        (["teach", "Raise!", good], "not usable"),
        (["exercises", "show", "none"], "no such own exercise"),
    ):
        assert invoke(arguments) == 78
        assert message in capsys.readouterr().err.replace("\n", " ")
    assert invoke(["teach", "raise", str(folder / "none.npz")]) == 66
    assert "there is no such file" in capsys.readouterr().err.replace("\n", " ")
    (folder / "notes.mp4").write_text("a film of words")
    assert invoke(["teach", "raise", str(folder / "notes.mp4")]) == 66
    assert "not a video" in capsys.readouterr().err
    assert invoke(["teach", "raise", good]) == 0
    assert invoke(["teach", "raise", good]) == 78
    assert "--replace" in capsys.readouterr().err


def test_bundled_model_has_no_words_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was taken, and the mistake was then spoken of in words for another exercise."""
    monkeypatch.chdir(folder)
    taught = ["teach", "raise", str(folder / "good.npz"), "--mistake", "Stand straight.", str(folder / "bad.npz")]
    monkeypatch.setenv("CORNERMAN_GENERATOR__BACKEND", "mobile_videogpt")
    assert invoke([*taught, "--model-words"]) == 78
    assert "your sentence is said" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setenv("CORNERMAN_GENERATOR__BACKEND", "openai")
    monkeypatch.setenv("CORNERMAN_GENERATOR__MODEL", "qwen")
    assert invoke([*taught, "--model-words"]) == 0
