"""When an end is reported as cut short, and when it is not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cornerman_media.ending import cut_short, missing_bytes
from cornerman_media.reader import open_video
from tests.unit.media.films import Film, steady, write
from tests.unit.media.reading import read

MS = Fraction(1, 1000)
WHOLE = {"duration_s": 10.0, "longest_step_s": 1 / 30, "missing_bytes": 0, "damaged": False}


@pytest.mark.parametrize(
    ("end_s", "stated_s", "more"),
    [
        (4.0, 20.0, {}),  # nothing is missing: the container errs
        (4.0, None, {"missing_bytes": None, "duration_s": 20.0}),  # only the longest track's length is known
        (9.2, 10.0, {"damaged": True}),
        (9.95, 10.0, {"missing_bytes": 5}),
        (56.0, 60.0, {"longest_step_s": 4.0, "missing_bytes": 5}),
        (9.5, None, {"missing_bytes": 100}),
        (5.0, None, {"missing_bytes": 0}),
    ],
)
def test_end_is_not_reported(end_s: float, stated_s: float | None, more: dict[str, object]) -> None:
    assert cut_short(end_s=end_s, stated_s=stated_s, **WHOLE | more) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("end_s", "stated_s", "more", "text"),
    [
        (3.1, 6.0, {"missing_bytes": 900}, "cut short: it ends after 3.1 of 6.0 s"),
        (3.1, 6.0, {"damaged": True}, "cut short: it ends after 3.1 of 6.0 s"),
        (3.1, 6.0, {"missing_bytes": None}, "cut short: it ends after 3.1 of 6.0 s"),
        (3.1, None, {"missing_bytes": 900}, "cut short: it ends after 3.1 of 10.0 s"),
        (3.1, None, {"missing_bytes": 9, "duration_s": None}, "it ends after 3.1 s, and its last 9 bytes are missing"),
    ],
)
def test_missing_end_is_reported(end_s: float, stated_s: float | None, more: dict[str, object], text: str) -> None:
    assert text in cut_short(end_s=end_s, stated_s=stated_s, **WHOLE | more)  # type: ignore[arg-type]


FRONT = {"movflags": "+faststart"}


@pytest.mark.parametrize("audio", [None, (0.0, 5.0)], ids=["silent", "longer sound"])
@pytest.mark.parametrize(("name", "muxer"), [("a.mp4", FRONT), ("a.mkv", {}), ("a.avi", {})])
def test_cut_file_says_so(tmp_path: Path, name: str, muxer: dict[str, str], audio: tuple[float, float] | None) -> None:
    codec = {"audio_codec": "pcm_s16le"} if name != "a.mp4" else {}
    tick = {"tick": 1 / 30} if name == "a.avi" else {}
    film = Film(steady(150), size=(160, 120), muxer_options=muxer, audio_s=audio, **codec)  # type: ignore[arg-type]
    if tick:
        film = Film(steady(150), size=(160, 120), tick=film.tick * 3000, audio_s=audio, **codec)  # type: ignore[arg-type]
    path = write(tmp_path / name, film)
    assert missing_bytes(path) == 0
    assert read(path).cut_short == ""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert missing_bytes(path) == len(data) - len(data) // 2
    assert read(path).cut_short.startswith("cut short: it ends after")


def test_fragments_are_cut_short(tmp_path: Path) -> None:
    film = Film(
        steady(150), size=(160, 120), codec_options={"g": "30"}, muxer_options={"movflags": "+frag_keyframe+empty_moov"}
    )
    path = write(tmp_path / "a.mp4", film)
    assert (missing_bytes(path), read(path).cut_short) == (0, "")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert read(path).cut_short == "cut short: it ends after 3.2 of 4.0 s"  # the fragments that are there promise 4 s


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\0\1mdat", b"\x1a\x45\xdf\xa3" + b"\xff" * 40]
)
def test_nonsense_promises_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    assert not missing_bytes(path) or data[4:8] == b"mdat"


def test_damaged_matroska_is_cut_short(tmp_path: Path) -> None:
    """FFmpeg goes to the end of the file without a word, and 38 of the 60 frames are missing."""
    path = write(tmp_path / "a.mkv", Film(steady(60), codec="mpeg4", tick=Fraction(1, 30), codec_options={"g": "10"}))
    assert read(path).cut_short == ""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(3).bytes(400)
    path.write_bytes(bytes(data))
    with open_video(path) as video:
        frames = sum(1 for _ in video)
        assert (frames < 30, video.cut_short()) == (True, "cut short: it ends after 0.7 of 2.0 s")


@pytest.mark.parametrize(
    ("suffix", "film"),
    [
        (
            "mkv",
            Film(
                [3.0, 3.2],
                rate=Fraction(5),
                tick=MS,
                codec_options={"bf": "0"},
                audio_s=(0.0, 6.0),
                audio_codec="pcm_s16le",
            ),
        ),
        (
            "flv",
            Film(
                [0.0, 1.125, 2.25, 3.25, 4.25, 5.25],
                rate=Fraction(5),
                tick=MS,
                codec_options={"bf": "2", "x264-params": "b-adapt=0:scenecut=0"},
            ),
        ),
    ],
    ids=["sound long before", "B-frames"],
)
def test_length_counted_from_zero_is_no_cut(tmp_path: Path, suffix: str, film: Film) -> None:
    assert read(write(tmp_path / f"film.{suffix}", film)).cut_short == ""
