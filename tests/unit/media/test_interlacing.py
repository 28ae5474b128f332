"""Interlaced video: no combs, from any codec; other frames are left alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cornerman_capture.sources.opening import open_source
from cornerman_media.interlacing import progressive
from cornerman_media.reader import open_video
from cornerman_media.rewriting import rewrite
from cornerman_shared.settings.tree import CaptureSettings

SIZE = (96, 64)
STEP = 6
CODECS = {
    "a.mp4": ("libx264", "yuv420p", {"x264-params": "tff=1", "crf": "5"}),
    "b.mkv": ("libx264", "yuv422p10le", {"x264-params": "bff=1", "crf": "5"}),
    "c.ts": ("mpeg2video", "yuv420p", {"flags": "+ildct+ilme", "qmin": "1", "qmax": "2"}),
    "d.mov": ("prores_ks", "yuv422p10le", {"flags": "+ildct"}),
}


def bar(left: int) -> NDArray[np.uint8]:
    width, height = SIZE
    picture = np.full((height, width, 3), 40, np.uint8)
    picture[:, left : left + 30] = 220
    return picture


def interlaced(path: Path, fields: int = 2) -> Path:
    """A bar that moves to the right, in every field of every frame; `fields` = 1: only from frame to frame."""
    codec, pixel_format, options = CODECS[path.name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixel_format
        stream.options = options
        for index in range(6):
            picture = bar(10 + STEP * index)
            picture[1::2] = bar(10 + STEP * index + (STEP // 2 if fields == 2 else 0))[1::2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def combs(picture: NDArray[np.uint8]) -> float:
    """How much each line differs from its two neighbours, 0..510."""
    lines = picture.astype(int)
    return float(np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).mean())


@pytest.mark.parametrize("name", CODECS)
def test_picture_has_no_combs(tmp_path: Path, name: str) -> None:
    with open_video(interlaced(tmp_path / name)) as video:
        frames = list(video)
    assert len(frames) == 6
    for frame in frames:
        assert combs(frame.picture.to_ndarray(format="rgb24")) > 5
        assert combs(frame.rgb()) < 1
        assert combs(frame.rgb((48, 64))) < 3


def test_annotate_writes_no_combs(tmp_path: Path) -> None:
    source, target = interlaced(tmp_path / "a.mp4"), tmp_path / "out.mp4"
    written = rewrite(source, target, lambda time_s: None)
    with open_video(target) as video:
        assert max(combs(frame.picture.to_ndarray(format="rgb24")) for frame in video) < 2
    assert (written.frames, written.length_s) == (6, pytest.approx(6 / 25))


def test_capture_gives_no_combs(tmp_path: Path) -> None:
    source = open_source(str(interlaced(tmp_path / "c.ts")), CaptureSettings())
    pictures = [frame.decode() for frame in source.frames(lambda: False)]
    source.close()
    assert len(pictures) == 6
    assert max(combs(picture.to_ndarray(format="rgb24")) for picture in pictures if picture) < 1


def test_time_is_left_alone(tmp_path: Path) -> None:
    with av.open(str(interlaced(tmp_path / "a.mp4"))) as container:
        for frame in container.decode(video=0):
            whole = progressive(frame)
            assert (whole.pts, whole.time_base) == (frame.pts, frame.time_base)
            assert (whole.width, whole.height, whole.format.name) == (frame.width, frame.height, frame.format.name)


def test_progressive_frame_is_the_same() -> None:
    frame = av.VideoFrame(64, 48, "yuv420p")
    assert progressive(frame) is frame
