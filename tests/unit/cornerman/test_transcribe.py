"""`cornerman transcribe`: the file it writes, and how it ends."""

import json
from pathlib import Path

import pytest

from cornerman.cli import invoke
from tests.unit.media.cases import CASES, audio_first, cover_art
from tests.unit.media.films import Film, steady, write

EVERY_CHUNK = [
    *("--strategy", "interval", "--set", "speak.interval_s=0.001", "--set", "speak.min_interval_s=0"),
    *("--set", "speak.repeat_window_s=0"),
]
EVERY_FRAME = [*EVERY_CHUNK, "--set", "watch.overlap=7", "--set", "watch.sample_fps=60"]


@pytest.fixture(autouse=True)
def _private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def transcribe(path: Path | str, *more: str) -> int:
    return invoke(["transcribe", str(path), "--encoder", "fake", "--generator", "echo", *more])


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_case_gets_words_in_time(name: str, tmp_path: Path) -> None:
    make, right = CASES[name]
    target = tmp_path / "words.jsonl"
    assert transcribe(make(tmp_path), "-o", str(target), *EVERY_FRAME) == 0
    said = lines(target)
    assert [one["pts_s"] for one in said] == pytest.approx(right.times_s[7:], abs=1e-3)
    assert all(one["start_s"] - one["pts_s"] == pytest.approx(right.start_s, abs=2e-3) for one in said)


def test_subtitles_follow_late_picture(tmp_path: Path) -> None:
    path, target = audio_first(tmp_path), tmp_path / "words.srt"
    assert transcribe(path, "-o", str(target), *EVERY_CHUNK) == 0
    assert target.read_text().splitlines()[1].startswith("00:00:05,867")


@pytest.mark.parametrize("mode", ["coach", "polling", "commentary"])
def test_every_mode_gives_words(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert transcribe("test://pattern?seconds=9", "--mode", mode, "--format", "jsonl") == 0
    assert len(capsys.readouterr().out.splitlines()) >= 1


def test_silent_film_gives_valid_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "short.mp4", Film(steady(5)))
    assert transcribe(path) == 0
    out = capsys.readouterr()
    assert out.out == "WEBVTT\n"
    assert "short.mp4: too short for a chunk" in out.err


@pytest.mark.parametrize(
    ("name", "more", "code", "sentence"),
    [
        ("-", [], 66, "standard input cannot be watched"),
        ("nothing.mp4", [], 66, "there is no such file"),
        ("film.mp4", ["-o", "film.mp4"], 78, "is the video itself"),
        ("film.mp4", ["-o", "link.vtt"], 78, "is the video itself"),
        ("film.mp4", ["-o", "words.txt"], 78, "give --format vtt, srt, jsonl, md"),
        ("film.mp4", ["-o", "nowhere/words.vtt"], 78, "no such folder: 'nowhere'"),
        ("film.mp4", ["-o", ".", "--format", "vtt"], 78, "is a folder"),
        ("film.mp4", ["--format", "doc"], 64, "doc"),
    ],
)
def test_wrong_use_is_told(
    name: str, more: list[str], code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = write(tmp_path / "film.mp4", Film(steady(9)))
    (tmp_path / "link.vtt").symlink_to(film)
    before = film.read_bytes()
    assert transcribe(name, *more) == code
    out = capsys.readouterr()
    assert (sentence in " ".join(out.err.split()), out.out, film.read_bytes() == before) == (True, "", True)


def test_audio_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "words.vtt"
    target.write_text("older")
    assert transcribe(cover_art(tmp_path), "-o", str(target)) == 66
    assert "no video in it, only audio and a cover picture" in capsys.readouterr().err
    assert target.read_text() == "older"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cover.m4a", "words.vtt"]


def test_failed_requests_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "words.vtt"
    hangs = ["--set", "generator.echo_hang_at=1", "--set", "generator.timeout_s=0.05"]
    assert transcribe("test://pattern?seconds=4", "-o", str(target), *EVERY_CHUNK, *hangs) in (0, 70)
    assert transcribe("test://pattern?seconds=4", "-o", str(target), *hangs) == 70
    assert "none of 1 requests gave words; nothing is written" in capsys.readouterr().err


def test_time_limit_keeps_what_was_said(tmp_path: Path) -> None:
    target = tmp_path / "words.jsonl"
    assert transcribe("test://pattern", "-o", str(target), "--seconds", "2", *EVERY_CHUNK) == 0
    assert len(lines(target)) >= 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.mp4", "rtsp://127.0.0.1:9/live"])
def test_unseen_source_is_told(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "words.vtt"
    assert transcribe(url, "-o", str(target), "--seconds", "1", *EVERY_CHUNK) == 66
    told = " ".join(capsys.readouterr().err.split())
    assert "no picture came within 1 s: " in told
    assert "the connection was refused" in told
    assert not target.exists()
