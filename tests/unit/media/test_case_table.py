"""Inputs that failed on 2026-11-25 in `annotate` or `run`: each is read, measured and written as the table says."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_media.errors import NoVideoError
from cornerman_media.length import length_s
from cornerman_media.reader import open_video
from cornerman_media.rewriting import Draw, Rewritten, rewrite
from tests.unit.media.cases import CASES, Right, audio_first, cover_art, upright_phone
from tests.unit.media.films import turned
from tests.unit.media.reading import Found, read, read_and_measure


def same(found: Found, right: Right, size: tuple[int, int]) -> None:
    assert found.numbers == (right.numbers or list(range(len(right.times_s))))
    assert found.times_s == pytest.approx(right.times_s, abs=1e-4)
    assert found.end_s == pytest.approx(right.length_s, abs=1e-4)
    assert found.start_s == pytest.approx(right.start_s, abs=1e-3)  # MP4 counts edits in milliseconds
    assert (found.size, found.upright) == (size, True)
    assert (found.broken, found.cut_short) == (0, "")


@pytest.mark.parametrize("name", CASES)
def test_case_is_read_right(tmp_path: Path, name: str) -> None:
    make, right = CASES[name]
    path = make(tmp_path)
    found = read_and_measure(path)
    assert length_s(path) == pytest.approx(right.length_s, abs=1e-4)
    if name != "reschange.ts":
        same(found, right, right.size)
    else:
        assert (found.numbers, found.size) == (right.numbers, (128, 96))
        assert found.times_s == pytest.approx(right.times_s, abs=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_case_is_written_right(tmp_path: Path, name: str) -> None:
    make, right = CASES[name]
    path, target = make(tmp_path), tmp_path / "out.mp4"
    written, drawn = annotated(path, target)
    found = read(target)
    same(found, right, right.size)
    assert written.frames == len(right.times_s)
    assert written.start_s == pytest.approx(right.start_s, abs=1e-3)
    assert written.length_s == pytest.approx(right.length_s, abs=1e-4)
    assert drawn == pytest.approx([at for at in right.times_s if 0.19 <= at < 0.39], abs=1e-4)
    assert sound_s(target) == pytest.approx(right.audio_s, abs=0.1)
    assert written.notes == ()


def test_cover_art_is_not_video(tmp_path: Path) -> None:
    path, target = cover_art(tmp_path), tmp_path / "out.mp4"
    with pytest.raises(NoVideoError, match=r"cover.m4a: there is no video in it, only audio and a cover picture"):
        open_video(path)
    with pytest.raises(NoVideoError):
        rewrite(path, target, lambda _: None)
    assert length_s(path) is None
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cover.m4a"]


def test_caption_lies_along_lower_edge(tmp_path: Path) -> None:
    path, target = upright_phone(tmp_path), tmp_path / "out.mp4"
    annotated(path, target)
    with open_video(target) as video:
        for frame in video:
            edge = frame.rgb()[-4:, 8:-8].mean()
            assert (edge > 200) == (0.19 <= frame.time_s < 0.39)


def test_caption_time_is_the_pictures(tmp_path: Path) -> None:
    """Cues were 5 s early: the film's picture begins at 5 s, and they were counted from it."""
    path, target = audio_first(tmp_path), tmp_path / "out.mp4"
    written, drawn = annotated(path, target)
    with av.open(str(target)) as container:
        white = [
            frame.time
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="rgb24")[-4:, 8:-8].mean() > 200
        ]
    assert white == pytest.approx([at + written.start_s for at in drawn], abs=1e-4)
    assert white[0] == pytest.approx(5.2, abs=1e-4)


def annotated(path: Path, target: Path) -> tuple[Rewritten, list[float]]:
    """Written again with a white lower edge from 0.19 to 0.39 s; and the times at which it was drawn."""
    drawn: list[float] = []

    def draw(time_s: float) -> Draw | None:
        if not 0.19 <= time_s < 0.39:
            return None
        drawn.append(time_s)
        return underline

    return rewrite(path, target, draw), drawn


def underline(picture: np.ndarray) -> np.ndarray:
    drawn = picture.copy()
    drawn[-4:, 8:] = 255
    return drawn


def sound_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return max((float(one.duration * one.time_base) for one in container.streams.audio), default=0.0)


def test_turn_of_a_stored_picture() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (np.rot90(turned(picture, 90)) == picture).all()
