"""Frames of any format become upright 8-bit RGB of the size of chunks."""

from __future__ import annotations

import gc
import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cornerman_capture.broken import BrokenError
from cornerman_capture.scaling import FrameScaler, scaled_size
from cornerman_media.jpeg import JpegEncoder
from cornerman_media.orientation import Orientation

RED, BLUE, GREEN = (200, 20, 20), (20, 20, 200), (20, 200, 20)


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def close(pixel: np.ndarray, colour: tuple[int, int, int], off: int = 14) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= off)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [
        ("libx264", "yuv420p", "a.mp4"),
        ("libx264", "yuv444p", "a.mp4"),
        ("libx264", "yuv420p10le", "a.mp4"),
        ("ffv1", "yuv420p16le", "a.mkv"),
        ("ffv1", "yuva420p", "a.mkv"),
        ("ffv1", "bgra", "a.mkv"),
        ("png", "rgb48be", "a.mov"),
        ("qtrle", "argb", "a.mov"),
        ("mjpeg", "yuvj422p", "a.mov"),
        ("libvpx-vp9", "yuv420p", "a.webm"),
    ],
)
def test_pixel_formats_keep_their_colours(make_video: Callable[..., Path], codec: str, pix_fmt: str, name: str) -> None:
    path = make_video(name, codec=codec, pix_fmt=pix_fmt, seconds=0.2)
    rgb = FrameScaler(224).rgb(first_frame(path))
    assert rgb.shape == (224, 398, 3)
    assert rgb.dtype == np.uint8
    assert close(rgb[180, 60], RED), rgb[180, 60]
    assert close(rgb[180, 340], BLUE), rgb[180, 340]
    assert close(rgb[10, 200], GREEN), rgb[10, 200]


def test_16_bit_grey_is_scaled(make_video: Callable[..., Path]) -> None:
    path = make_video("a.mkv", codec="ffv1", pix_fmt="gray16le", seconds=0.1)
    rgb = FrameScaler(224).rgb(first_frame(path))
    assert close(rgb[180, 60], (74, 74, 74))  # BT.601 luma of the red half


@pytest.mark.parametrize("size", [(321, 179), (17, 33), (1279, 719), (224, 224), (50, 400)])
def test_odd_sizes_keep_their_aspect(make_video: Callable[..., Path], size: tuple[int, int]) -> None:
    path = make_video("a.mkv", codec="ffv1", pix_fmt="bgr0", size=size, seconds=0.1)
    height, width, _ = FrameScaler(224).rgb(first_frame(path)).shape
    assert min(width, height) == 224
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)


@pytest.mark.parametrize(
    ("matrix", "shape", "red_at", "blue_at"),
    [
        ((1, 0, 0, 1), (224, 398), (150, 60), (150, 340)),
        ((0, 1, -1, 0), (398, 224), (60, 60), (340, 60)),  # a phone held upright: clockwise by 90 degrees
        ((0, -1, 1, 0), (398, 224), (340, 150), (60, 150)),  # counterclockwise by 90 degrees
        ((-1, 0, 0, -1), (224, 398), (60, 340), (60, 60)),  # upside down
        ((-1, 0, 0, 1), (224, 398), (150, 340), (150, 60)),  # mirrored, as by a front camera
    ],
)
def test_turned_videos_become_upright(
    make_video: Callable[..., Path],
    turn: Callable[[Path, tuple[int, int, int, int]], None],
    matrix: tuple[int, int, int, int],
    shape: tuple[int, int],
    red_at: tuple[int, int],
    blue_at: tuple[int, int],
) -> None:
    path = make_video("a.mp4", seconds=0.2)
    turn(path, matrix)
    frame = first_frame(path)
    rgb = FrameScaler(224).rgb(frame)
    assert rgb.shape[:2] == shape
    assert close(rgb[red_at], RED)
    assert close(rgb[blue_at], BLUE)
    jpeg = np.asarray(Image.open(io.BytesIO(JpegEncoder(960, 90).jpeg(frame))))
    scale = jpeg.shape[0] / shape[0]
    assert (jpeg.shape[0] > jpeg.shape[1]) == (shape[0] > shape[1])
    assert close(jpeg[int(red_at[0] * scale), int(red_at[1] * scale)], RED, off=25)


def test_nonsquare_pixels_are_stretched() -> None:
    assert scaled_size(720, 576, Fraction(64, 45), 224) == (398, 224)
    assert scaled_size(720, 576, None, 224) == (280, 224)
    assert scaled_size(720, 576, Fraction(0, 1), 224) == (280, 224)


def test_pixel_aspect_of_file_is_applied(make_video: Callable[..., Path]) -> None:
    from cornerman_capture.sources.opening import open_source
    from cornerman_shared.settings.tree import CaptureSettings

    path = make_video("a.mkv", size=(360, 288), pixel_aspect=Fraction(64, 45), seconds=0.1)
    source = open_source(str(path), CaptureSettings())
    frame = next(iter(source.frames(lambda: False))).decode()
    assert FrameScaler(224, source.info.pixel_aspect).rgb(frame).shape == (224, 398, 3)
    source.close()


def test_extreme_aspect_is_refused() -> None:
    with pytest.raises(BrokenError, match="4000x16"):
        scaled_size(4000, 16, None, 224)


@pytest.mark.parametrize(
    ("degrees", "matrix"),
    [(0, (1, 0, 0, 1)), (-90, (0, 1, -1, 0)), (90, (0, -1, 1, 0)), (180, (-1, 0, 0, -1)), (-180, (-1, 0, 0, -1))],
)
def test_angle_equals_its_matrix(degrees: int, matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = (value << 16 for value in matrix)
    packed = struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    assert Orientation.of_angle(degrees) == Orientation.of_matrix(packed)


def test_short_display_matrix_is_upright() -> None:
    assert Orientation.of_matrix(b"") == Orientation()


def test_frames_are_freed_without_collector(make_video: Callable[..., Path]) -> None:
    """Reading side data puts a frame into a reference cycle; a day of video then held hundreds of megabytes."""
    scaler, encoder = FrameScaler(224), JpegEncoder(320, 80)
    gc.collect()
    gc.disable()
    try:
        with av.open(str(make_video(seconds=2))) as container:
            for frame in container.decode(video=0):
                scaler.rgb(frame)
                encoder.jpeg(frame)
        del frame
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) <= 3
    finally:
        gc.enable()


def test_reopened_clip_keeps_no_frames(make_video: Callable[..., Path]) -> None:
    """The display matrix of each first frame is read, which kept that frame until a full collection."""
    path = str(make_video(seconds=0.5))
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            scaler = FrameScaler(224)
            with av.open(path) as container:
                for frame in container.decode(video=0):
                    scaler.rgb(frame)
        del frame
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) <= 2
    finally:
        gc.enable()
