"""What a command could not write is told before its work begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman.local import output_files, teaching
from cornerman.local.output_files import writable_folder
from cornerman_pose import weights
from cornerman_shared.errors import ConfigError
from tests.unit.media.films import Film, steady, write


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder.vtt").mkdir()
    return write(tmp_path / "film.mp4", Film(steady(9)))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("x.nope", "no film can be written with the ending '.nope'; give one of .mp4, .mov, .mkv, .webm"),
        ("x.mp3", "the ending '.mp3'"),
        ("x.vtt", "the ending '.vtt'"),
        ("x", "no ending; give one of .mp4"),
        ("folder.mp4", "'folder.vtt' is a folder"),
        ("file/x.mp4", "no such folder"),
    ],
)
def test_impossible_film_starts_no_process(
    film: Path, target: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole video was watched first."""
    before = sorted(film.parent.iterdir())
    assert invoke(["annotate", str(film), "-o", target]) == 78
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert sorted(film.parent.iterdir()) == before


@pytest.mark.parametrize("command", ["run", "comment", "up"])
def test_record_setting_is_checked(film: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--record` was, the setting was not."""
    sources = [] if command == "up" else [str(film)]
    fakes = ["--set", "encoder.backend=fake", "--set", "generator.backend=echo", "--set", "record.dir=file/below"]
    assert invoke([command, *sources, *fakes]) == 78
    assert "record.dir 'file/below': cannot be written" in capsys.readouterr().err


def test_exercise_without_room_is_not_learned(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the example was looked at")

    monkeypatch.setattr(teaching, "read_take", refuse)
    monkeypatch.setenv("CORNERMAN_GATEWAY__PROFILES_DIR", "file/below")
    assert invoke(["teach", "raise", str(film)]) == 78
    assert "file/below/exercises cannot be written" in capsys.readouterr().err


def test_weights_need_room_before_download(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was downloaded")

    monkeypatch.setattr(weights, "download", refuse)
    monkeypatch.setenv("CORNERMAN_CACHE", "nothing-here")
    assert invoke(["models", "get", "pose", "--to", "file/below"]) == 78
    assert "file/below cannot be written" in capsys.readouterr().err


def test_taken_folder_is_told_before_loading(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = film.parent / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(json.dumps({"model_type": "unknown"}))
    for out, sentence in ((checkpoint, "holds a config.json already"), (Path("file/below"), "cannot be written")):
        assert invoke(["export-llm", str(checkpoint), "--out", str(out)]) == 78
        told = " ".join(capsys.readouterr().err.split())
        assert "--out: " in told and sentence in told


def test_full_disk_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(dir: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output_files, "TemporaryFile", full)
    with pytest.raises(ConfigError, match=r"--out .*No space left on device"):
        writable_folder("--out", tmp_path)
