"""`cornerman annotate` and the length of a source, for inputs that went wrong."""

import json
import os
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman.cli import invoke
from cornerman.local.source_args import length_s
from tests.unit.media.cases import CASES, audio_first, cover_art
from tests.unit.media.films import Film, steady, write
from tests.unit.media.reading import read

AFTER_S = 1000.0
"""A caption that no picture shows: the test reads what is in the pictures."""


def annotate(path: Path | str, target: Path, pts_s: float) -> int:
    lines = target.parent / "lines.jsonl" if target.parent.exists() else Path(path).with_suffix(".jsonl")
    line = {"type": "feedback", "source_id": "a", "action": "correct", "pts_s": pts_s, "text": "Lower your hips."}
    lines.write_text(json.dumps(line) + "\n")
    return invoke(["annotate", str(path), "-o", str(target), "--from", str(lines)])


def first_cue_s(path: Path) -> float:
    found = re.search(r"^(\d+):(\d+):([\d.]+) -->", path.read_text(), re.MULTILINE)
    assert found is not None
    hours, minutes, seconds = map(float, found.groups())
    return hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize("name", CASES)
def test_case_is_annotated_right(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, right = CASES[name]
    path, target = make(tmp_path), tmp_path / "out.mp4"
    assert annotate(path, target, AFTER_S) == 0
    found = read(target)
    assert found.numbers == (right.numbers or list(range(len(right.times_s))))
    assert found.times_s == pytest.approx(right.times_s, abs=1e-4)
    assert (found.size, found.upright) == (right.size, True)
    assert first_cue_s(target.with_suffix(".vtt")) == pytest.approx(AFTER_S + right.start_s, abs=2e-3)
    said = capsys.readouterr().out
    assert f"1 captions on {len(right.times_s)} frames" in said
    assert "cut short" not in said


@pytest.mark.parametrize("name", CASES)
def test_length_is_the_pictures(name: str, tmp_path: Path) -> None:
    make, right = CASES[name]
    assert length_s(str(make(tmp_path))) == pytest.approx(right.length_s, abs=1e-4)


def test_cover_art_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cover_art(tmp_path)
    assert annotate(path, tmp_path / "out.mp4", 0.0) == 66
    assert "no video in it, only audio and a cover picture" in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cover.m4a", "lines.jsonl"]
    assert length_s(str(path)) is None


def test_phone_caption_lies_below(tmp_path: Path) -> None:
    path = write(tmp_path / "phone.mp4", Film(steady(5), size=(320, 240), turn=90))
    target = tmp_path / "out.mp4"
    assert annotate(path, target, 0.0) == 0
    with av.open(str(target)) as reader:
        picture = next(reader.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (320, 240, 3)
    assert np.abs(picture[4, 4].astype(int) - (200, 30, 30)).max() < 60, "the upper edge is as it was"
    assert picture[-4:, :20].max() < 120, "no band along the lower edge"


def test_cue_waits_for_late_picture(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    assert annotate(audio_first(tmp_path), target, 0.2) == 0
    assert first_cue_s(target.with_suffix(".vtt")) == pytest.approx(5.2, abs=2e-3)


def test_broken_packets_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = Film(steady(60), codec="mpeg4", tick=Fraction(1, 30), codec_options={"g": "10"})
    path = write(tmp_path / "broken.avi", film)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))
    assert annotate(path, tmp_path / "out.mp4", 0.0) == 0
    frames = len(read(tmp_path / "out.mp4").numbers)
    said = capsys.readouterr().out
    assert 0 < frames < 60
    assert f"1 captions on {frames} frames" in said
    assert re.search(r"broken\.avi: \d+ broken packets? (was|were) skipped", said)


@pytest.mark.parametrize(
    ("video", "sentence"),
    [
        ("none.mp4", "there is no such file"),
        ("-", "standard input cannot be watched"),
        (".", "is a folder"),
        ("pipe.mp4", "is a pipe"),
        ("empty.mp4", "the file is empty"),
        ("text.mp4", "not a video"),
        ("rtsp://cam/1", "is not a file of this machine"),
        ("ftp://cam/1", "ftp:// is not known"),
    ],
)
def test_unreadable_input_exits_with_66(
    video: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.mp4")
    Path("empty.mp4").touch()
    Path("text.mp4").write_text("a film of words")
    assert annotate(Path(video) if "//" not in video else video, tmp_path / "out.mp4", 0.0) == 66
    out, err = capsys.readouterr()
    assert out == "" and sentence in err and len(err.strip().splitlines()) == 1
    assert not Path("out.mp4").exists()


@pytest.mark.parametrize(
    ("target", "code", "sentence"),
    [("none/out.mp4", 78, "no such folder"), ("out.nope", 78, "no film can be written with the ending")],
)
def test_unwritable_output_is_told(
    target: str, code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.mp4", Film(steady(10)))
    assert annotate(path, tmp_path / target, 0.0) == code
    assert sentence in capsys.readouterr().err


def test_film_without_words_is_annotated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It raised a ValueError: a film about which nothing is said has no captions."""
    path, lines = write(tmp_path / "film.mp4", Film(steady(5))), tmp_path / "lines.jsonl"
    lines.write_text("")
    assert invoke(["annotate", str(path), "--from", str(lines)]) == 0
    assert "0 captions on 5 frames" in capsys.readouterr().out
    assert path.with_suffix(".annotated.vtt").read_text() == "WEBVTT\n"
