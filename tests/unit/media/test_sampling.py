"""Some frames of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cornerman_media.jpeg import JpegEncoder
from cornerman_media.picture_decoder import decode_picture
from cornerman_media.reader import open_video
from cornerman_media.sampling import newest, sampled, spread, with_shorter_side
from tests.unit.media.films import Film, number_of, numbered, steady, write


@pytest.mark.parametrize(("count", "numbers"), [(4, [0, 10, 19, 29]), (2, [0, 29]), (1, [0])])
def test_spread_has_both_ends(tmp_path: Path, count: int, numbers: list[int]) -> None:
    frames = spread(write(tmp_path / "a.mp4", Film(steady(30))), count)
    assert frames.shape == (count, 48, 64, 3) and frames.dtype == np.uint8
    assert [number_of(frame) for frame in frames] == numbers


def test_spread_repeats_a_short_film(tmp_path: Path) -> None:
    frames = spread(write(tmp_path / "a.mp4", Film(steady(2))), 6)
    assert [number_of(frame) for frame in frames] == [0, 0, 0, 1, 1, 1]


def test_spread_of_a_cut_film(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Film(steady(30), muxer_options={"movflags": "+faststart"}))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    numbers = [number_of(frame) for frame in spread(path, 3)]
    assert numbers[0] == 0 and 10 < numbers[2] < 29


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_sampled_rate_is_media_time(tmp_path: Path, fps: int) -> None:
    path = write(tmp_path / "a.mp4", Film(steady(2 * fps, fps)))
    times = [frame.time_s for frame in sampled(path, 8.0)]
    assert times == pytest.approx([at / 8 for at in range(16)], abs=1 / fps)
    assert len(list(sampled(path, 8.0, until_s=1.0))) == 9


def test_newest_frames_before_a_moment(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Film(steady(60), turn=0))
    frames = newest(path, 10.0, until_s=1.0, most=3, shorter_side=24)
    assert [number_of(frame) for frame in frames] == [24, 27, 30]
    assert frames[0].shape == (24, 32, 3)


@pytest.mark.parametrize(("size", "wanted"), [((64, 48), (299, 224)), ((48, 64), (224, 299)), ((224, 224), (224, 224))])
def test_shorter_side_keeps_the_shape(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert with_shorter_side(size, 224) == wanted


def test_jpeg_of_a_turned_frame(tmp_path: Path) -> None:
    with open_video(write(tmp_path / "a.mp4", Film([0.0], size=(96, 64), turn=90))) as video:
        frame = next(iter(video))
        body = JpegEncoder(48, 95).jpeg(frame.picture)
    picture = decode_picture(body)
    assert picture is not None and (picture.width, picture.height) == (48, 72)


def test_jpeg_and_back() -> None:
    with_number = decode_picture(JpegEncoder(64, 95).jpeg(_frame(37)))
    assert with_number is not None and number_of(with_number.to_ndarray(format="rgb24")) == 37


def _frame(number: int):  # type: ignore[no-untyped-def]
    import av

    return av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
