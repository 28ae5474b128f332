"""JPEGs of decoded frames: size, colours, quality and reuse of an encoder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cornerman_media.jpeg import JpegEncoder, quantizer_of
from tests.unit.capture.test_scaling import BLUE, RED, close, first_frame


@pytest.mark.parametrize(
    ("size", "shown"), [((1920, 1080), (960, 540)), ((321, 179), (320, 180)), ((640, 360), (640, 360))]
)
def test_width_is_at_most_the_maximum(
    make_video: Callable[..., Path], size: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = make_video("a.mkv", codec="ffv1", pix_fmt="bgr0", size=size, seconds=0.1)
    picture = Image.open(io.BytesIO(JpegEncoder(960, 80).jpeg(first_frame(path))))
    assert picture.format == "JPEG"
    assert picture.size == shown
    assert close(np.asarray(picture.convert("RGB"))[shown[1] * 3 // 4, shown[0] // 5], RED)


@pytest.mark.parametrize("max_width", [320, 160])
def test_limited_range_keeps_its_colours(make_video: Callable[..., Path], max_width: int) -> None:
    """At equal and smaller size: at equal size swscale takes limited and full range for the same format."""
    jpeg = JpegEncoder(max_width, 95).jpeg(first_frame(make_video("a.mp4", seconds=0.2)))
    pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    assert pixels.shape[1] == max_width
    assert close(pixels[pixels.shape[0] * 3 // 4, max_width // 5], RED, off=8)
    assert close(pixels[pixels.shape[0] * 3 // 4, max_width * 4 // 5], BLUE, off=8)


def test_quality_changes_the_size_of_jpegs() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
    sizes = [len(JpegEncoder(960, quality).jpeg(frame)) for quality in (20, 50, 80, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] * 1.5 < sizes[-1]


def test_b_frames_become_jpegs(make_video: Callable[..., Path]) -> None:
    encoder, kinds = JpegEncoder(160, 80), set()
    with av.open(str(make_video("a.mp4", quality={"bf": "3"}))) as container:
        for frame in container.decode(video=0):
            kinds.add(frame.pict_type)
            assert encoder.jpeg(frame).startswith(b"\xff\xd8")
    assert len(kinds) == 3  # I, P and B


def test_one_encoder_accepts_changing_sizes() -> None:
    encoder = JpegEncoder(960, 80)
    for size in ((64, 48), (64, 48), (128, 96), (64, 48)):
        frame = av.VideoFrame(size[0], size[1], "rgb24")
        assert Image.open(io.BytesIO(encoder.jpeg(frame))).size == size


def test_quantizer_spans_the_quality_scale() -> None:
    assert (quantizer_of(95), quantizer_of(1), quantizer_of(500), quantizer_of(-3)) == (2, 31, 2, 31)
