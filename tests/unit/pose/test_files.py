"""Landmark files are checked when read and when written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cornerman_pose.errors import LandmarkFileError
from cornerman_pose.files import read_landmarks, write_landmarks
from tests.unit.pose.bodies import track


def test_written_track_is_read_back(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "one.npz", track(12))
    back = read_landmarks(tmp_path / "one.npz")
    np.testing.assert_array_equal(back.image_px, track(12).image_px)
    assert back.size_px == (224, 398)
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_nan_where_nobody_becomes_zero(tmp_path: Path) -> None:
    path = stored(tmp_path, presence=np.array([1, 0, 1], np.float16), world_m=_nan_in_second())
    assert not read_landmarks(path).world_m[1].any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"t_s": np.array([0.0, 0.2, 0.1])}, "does not rise"),
        ({"world_m": np.full((3, 33, 3), np.nan)}, "not finite"),
        ({"visibility": np.full((3, 33), 1.5)}, "expected 0..1"),
        ({"image_px": np.zeros((3, 17, 2))}, r"expected numbers \[3, 33, 2\]"),
        ({"size_px": np.array([0, 10])}, "height and width"),
    ],
    ids=["times", "nan", "visibility", "seventeen points", "no size"],
)
def test_bad_array_is_named(tmp_path: Path, changes: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(LandmarkFileError, match=words):
        read_landmarks(stored(tmp_path, **changes))


def test_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", t_s=np.arange(3))
    with pytest.raises(LandmarkFileError, match="presence"):
        read_landmarks(tmp_path / "a.npz")


def test_text_is_no_landmark_file(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("nothing")
    with pytest.raises(LandmarkFileError, match="no landmark file"):
        read_landmarks(tmp_path / "a.npz")


def test_bad_track_leaves_old_file(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    write_landmarks(path, track(12))
    with pytest.raises(LandmarkFileError):
        write_landmarks(path, replace(track(12), presence=np.full(12, 2.0, np.float32)))
    assert len(read_landmarks(path)) == 12


def stored(folder: Path, **changes: np.ndarray) -> Path:
    one = track(3)
    arrays = {name: getattr(one, name) for name in ("t_s", "image_px", "world_m", "visibility", "presence")}
    path = folder / "stored.npz"
    np.savez(path, **{**arrays, "size_px": np.array(one.size_px), **changes})
    return path


def _nan_in_second() -> np.ndarray:
    world = track(3).world_m.copy()
    world[1] = np.nan
    return world
