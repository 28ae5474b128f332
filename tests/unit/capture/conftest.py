"""Fixtures that encode test videos with PyAV."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

Maker = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> Maker:
    """`make_video(name, seconds=…, fps=…, size=(w, h), codec=…, pix_fmt=…, times=[…])` -> path.

    The left half is red, the right half blue, the top eighth green, and a white bar moves.
    """

    def make(
        name: str = "clip.mp4",
        *,
        seconds: float = 2.0,
        fps: float = 30,
        size: tuple[int, int] = (320, 180),
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        times: list[float] | None = None,
        options: dict[str, str] | None = None,
        quality: dict[str, str] | None = None,
        audio_only: bool = False,
        pixel_aspect: Fraction | None = None,
    ) -> Path:
        path = tmp_path / name
        width, height = size
        with av.open(str(path), "w", options=options or {}) as container:
            if audio_only:
                sound = container.add_stream("aac", rate=16000)
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
                frame.sample_rate = 16000
                container.mux(sound.encode(frame))
                container.mux(sound.encode(None))
                return path
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.options = quality or {}
            stream.codec_context.time_base = Fraction(1, 90000)
            if pixel_aspect:
                stream.codec_context.sample_aspect_ratio = pixel_aspect
            stamps = times if times is not None else [i / fps for i in range(round(seconds * fps))]
            for index, time_s in enumerate(stamps):
                picture = av.VideoFrame.from_ndarray(pattern(width, height, index), format="rgb24")
                picture = picture.reformat(format=pix_fmt)
                picture.pts, picture.time_base = round(time_s * 90000), Fraction(1, 90000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return make


def pattern(width: int, height: int, index: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (200, 20, 20)
    pixels[:, width // 2 :] = (20, 20, 200)
    pixels[: height // 8] = (20, 200, 20)
    bar = (index * 3) % max(1, width - 6)
    pixels[height // 2 : height // 2 + 6, bar : bar + 6] = 255
    return pixels


@pytest.fixture
def turn() -> Callable[[Path, tuple[int, int, int, int]], None]:
    """Writes the quarter turn (a, b, c, d) into an mp4's track header, as a phone does."""

    def write(path: Path, matrix: tuple[int, int, int, int]) -> None:
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd")
        version = data[at + 4]
        matrix_at = at + 4 + (52 if version == 1 else 40)
        a, b, c, d = (value << 16 for value in matrix)
        assert struct.unpack(">9i", data[matrix_at : matrix_at + 36])[:5] == (1 << 16, 0, 0, 0, 1 << 16)
        data[matrix_at : matrix_at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(bytes(data))

    return write
