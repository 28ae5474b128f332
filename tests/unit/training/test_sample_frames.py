"""Pictures of training samples are those that capture would show the model."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cornerman_capture.scaling import FrameScaler
from cornerman_media.reader import open_video
from cornerman_training.dialogues import sample_frames
from tests.unit.media.films import Film, is_upright, number_of, steady, write


def test_pictures_are_those_of_capture(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Film(steady(12, 8), size=(480, 320), rate=Fraction(8)))
    with open_video(path) as video:
        scaler = FrameScaler(224)
        wanted = [scaler.rgb(frame.picture) for frame in video]
    assert (sample_frames(path, None, 64) == np.stack(wanted)).all()
    assert (sample_frames(path, 10.0, 8) == np.stack(wanted[-8:])).all()


def test_phone_video_is_upright(tmp_path: Path) -> None:
    path = write(tmp_path / "phone.mp4", Film(steady(8, 8), size=(480, 320), rate=Fraction(8), turn=90))
    pictures = sample_frames(path, None, 8)
    assert pictures.shape == (8, 336, 224, 3)
    assert all(is_upright(picture) for picture in pictures)


def test_late_video_counts_from_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "late.ts", Film(steady(16, 8, 5.0), size=(480, 320), rate=Fraction(8)))
    assert [number_of(picture) for picture in sample_frames(path, 1.01, 8)] == list(range(1, 9))


def test_text_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("hello\n" * 500)
    with pytest.raises(ValueError, match=r"a\.mp4"):
        sample_frames(tmp_path / "a.mp4", None, 8)
