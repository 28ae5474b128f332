"""Films for the tests: each frame carries its own number, and three corners tell how it is turned."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS = 8
"""A frame's number, modulo 256, stands in eight fields across its middle: white = 1."""

TICK = Fraction(1, 90_000)
RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def numbered(number: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """[H, W, 3]: red top left, green top right, blue bottom left, grey elsewhere, the number across the middle."""
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    picture[: height // 4, : width // 2] = RED
    picture[: height // 4, width // 2 :] = GREEN
    picture[-(height // 4) :, : width // 2] = BLUE
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        picture[height // 4 : -(height // 4), left:right] = 235 if number >> bit & 1 else 16
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number in an upright picture of any size."""
    height, width, _ = picture.shape
    row = picture[height // 2 - height // 8 : height // 2 + height // 8].mean(axis=(0, 2))
    bits = [
        row[int((bit + 0.3) * width / BITS) : int((bit + 0.7) * width / BITS) + 1].mean() > 126 for bit in range(BITS)
    ]
    return sum(1 << bit for bit, on in enumerate(bits) if on)


def is_upright(picture: NDArray[np.uint8]) -> bool:
    """Whether the three corners are where they belong."""
    height, width, _ = picture.shape
    y, x = max(1, height // 16), max(1, width // 16)
    return all(
        int(np.abs(picture[at].astype(int) - colour).max()) < 60
        for at, colour in (((y, x), RED), ((y, -x - 1), GREEN), ((-y - 1, x), BLUE))
    )


@dataclass(frozen=True)
class Film:
    """What to write."""

    times_s: Sequence[float]
    size: tuple[int, int] = (64, 48)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    rate: Fraction = Fraction(30)
    tick: Fraction = TICK
    pixel_aspect: Fraction | None = None
    codec_options: Mapping[str, str] = field(default_factory=dict)
    muxer_options: Mapping[str, str] = field(default_factory=dict)
    audio_s: tuple[float, float] | None = None  # begin and end
    audio_codec: str = "aac"
    turn: int = 0  # degrees, as FFmpeg's display rotation: counterclockwise


def steady(frames: int, rate: float = 30, start_s: float = 0.0) -> list[float]:
    return [start_s + index / rate for index in range(frames)]


def write(path: Path, film: Film, format: str | None = None) -> Path:
    """Writes it with PyAV, pictures numbered from 0."""
    with av.open(str(path), "w", format=format, options=dict(film.muxer_options)) as container:
        stream = container.add_stream(film.codec, rate=film.rate)
        stream.width, stream.height = film.size
        stream.pix_fmt = film.pixel_format
        stream.codec_context.time_base = film.tick
        quick = {"preset": "ultrafast", "crf": "12"} if film.codec == "libx264" else {}
        stream.options = quick | dict(film.codec_options)
        if film.pixel_aspect:
            stream.codec_context.sample_aspect_ratio = film.pixel_aspect
        if film.turn:
            stream.set_display_rotation(film.turn)
        if film.audio_s is not None:
            _sound(container, film)
        for index, time_s in enumerate(film.times_s):
            picture = turned(numbered(index, _upright_size(film)), film.turn)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format=film.pixel_format)
            frame.pts, frame.time_base = round(time_s / film.tick), film.tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(picture: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """As a camera stores it that says "turn me counterclockwise by so much"."""
    return np.rot90(picture, -degrees // 90)


def _upright_size(film: Film) -> tuple[int, int]:
    return (film.size[1], film.size[0]) if film.turn % 180 else film.size


def _sound(container: av.container.OutputContainer, film: Film) -> None:
    assert film.audio_s is not None
    begin_s, end_s = film.audio_s
    rate = 16_000
    stream = container.add_stream(film.audio_codec, rate=rate, layout="mono")
    wave = (0.2 * np.sin(np.arange(round((end_s - begin_s) * rate)) * 0.2)).astype(np.float32)
    planar = stream.codec_context.format.name
    for at in range(0, len(wave), 1024):
        part = wave[None, at : at + 1024]
        if planar.startswith("s16"):
            part = (part * 32000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format=planar, layout="mono")
        frame.sample_rate = rate
        frame.pts, frame.time_base = round(begin_s * rate) + at, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def jpeg(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG file of a numbered picture."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuvj420p"
    encoder.time_base = Fraction(1, 30)
    encoder.options = {"qmin": "2", "qmax": "2"}
    frame = av.VideoFrame.from_ndarray(numbered(number, size), format="rgb24")
    frame = frame.reformat(format="yuvj420p", dst_color_range="JPEG")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@dataclass(frozen=True)
class Sample:
    """An encoded frame, for muxers of the tests' own."""

    data: bytes
    dts_s: float
    pts_s: float
    key: bool


def encoded(film: Film) -> tuple[bytes, list[Sample]]:
    """The decoder's configuration and the samples of a film, as they stand in an MP4 (H.264: avcC, lengths)."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(film.codec, rate=film.rate)
        stream.width, stream.height = film.size
        stream.pix_fmt, stream.codec_context.time_base = film.pixel_format, film.tick
        stream.options = {"preset": "ultrafast", "crf": "12"} | dict(film.codec_options)
        for index, time_s in enumerate(film.times_s):
            picture = np.ascontiguousarray(turned(numbered(index, _upright_size(film)), film.turn))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time_s / film.tick), film.tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        video = container.streams.video[0]
        base = float(video.time_base)
        samples = [
            Sample(bytes(packet), packet.dts * base, packet.pts * base, packet.is_keyframe)
            for packet in container.demux(video)
            if packet.size
        ]
        return bytes(video.codec_context.extradata), samples


def box(kind: bytes, *parts: bytes) -> bytes:
    """An ISO 14496-12 box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
