"""Unusual videos give correct frames or a clear error through the decoding thread, and end."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.unit.capture.decoders import plan, play, url_decoder
from tests.unit.capture.test_scaling import BLUE, GREEN, RED, close
from tests.unit.media.films import Film, steady, write

Maker = Callable[..., Path]
Turn = Callable[[Path, tuple[int, int, int, int]], None]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "size"),
    [
        ("a.mkv", "ffv1", "yuv420p16le", (320, 180)),
        ("a.mkv", "ffv1", "gbrp16le", (320, 180)),
        ("a.mov", "png", "rgb48be", (320, 180)),
        ("a.mp4", "libx264", "yuv420p10le", (320, 180)),
        ("a.mov", "qtrle", "argb", (320, 180)),
        ("a.mkv", "ffv1", "yuva420p", (320, 180)),
        ("a.mkv", "ffv1", "bgr0", (321, 179)),
        ("a.mkv", "ffv1", "bgr0", (161, 91)),
    ],
    ids=["16-bit", "16-bit-rgb", "16-bit-png", "10-bit", "alpha", "alpha-yuv", "odd", "odd-and-small"],
)
async def test_odd_formats_keep_their_colours(
    make_video: Maker, name: str, codec: str, pix_fmt: str, size: tuple[int, int]
) -> None:
    path = make_video(name, codec=codec, pix_fmt=pix_fmt, size=size, seconds=2)
    decoder = url_decoder(str(path), plan())
    chunks = await play(decoder)
    assert (decoder.state.name, decoder.state.detail) == ("ended", "")
    assert len(chunks) == 3
    for chunk in chunks:
        frames = chunk.stacked()
        assert frames.shape == (8, 32, 57, 3) and frames.dtype == np.uint8
        assert close(frames[0, 26, 8], RED) and close(frames[0, 26, 48], BLUE) and close(frames[0, 1, 28], GREEN)


async def test_phone_video_is_upright(make_video: Maker, turn: Turn) -> None:
    path = make_video("a.mp4", seconds=2)
    turn(path, (0, 1, -1, 0))
    chunks = await play(url_decoder(str(path), plan()))
    assert len(chunks) == 3
    for chunk in chunks:
        frames = chunk.stacked()
        assert frames.shape == (8, 57, 32, 3)
        assert close(frames[7, 8, 6], RED) and close(frames[7, 48, 6], BLUE)


def without_frames(path: Path) -> None:
    """Writes a recording that was stopped at once: a video header without frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
async def test_video_without_frames_fails(tmp_path: Path, name: str) -> None:
    without_frames(tmp_path / name)
    decoder = url_decoder(str(tmp_path / name), plan())
    assert await play(decoder) == []
    assert decoder.state.name == "failed"
    assert name in decoder.state.detail


@pytest.mark.parametrize("loop", [False, True])
async def test_single_frame_gives_no_chunk(make_video: Maker, loop: bool) -> None:
    decoder = url_decoder(str(make_video("a.mkv", codec="ffv1", pix_fmt="bgr0", times=[0.0])), plan(loop=loop))
    if not loop:
        assert await play(decoder) == []
        assert decoder.state.name == "ended"
        assert "too short for a chunk: 1 of 8" in decoder.state.detail
        return
    decoder.start()
    chunk = await decoder.chunks.get()
    decoder.stop()
    assert chunk is not None and decoder.join(60.0)


@pytest.mark.parametrize(
    ("name", "keep"),
    [("a.mkv", 0.02), ("a.mkv", 0.5), ("a.ts", 0.5), ("a.avi", 0.5), ("a.mp4", 0.5), ("a.mp4", 0.01), ("a.webm", 0.3)],
)
async def test_truncated_video_ends_or_fails(make_video: Maker, name: str, keep: float) -> None:
    codec = {"codec": "libvpx-vp9"} if name == "a.webm" else {}
    path = make_video(name, seconds=3, size=(160, 90), **codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    decoder = url_decoder(str(path), plan())
    await play(decoder)
    assert decoder.state.over
    assert decoder.state.name == "ended" or name in decoder.state.detail


async def test_damaged_video_ends_or_fails(make_video: Maker) -> None:
    path = make_video("a.mkv", seconds=3, size=(160, 90))
    whole = path.read_bytes()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        data = np.frombuffer(whole, np.uint8).copy()
        where = rng.integers(0, len(data), len(data) // 100)
        data[where] = rng.integers(0, 256, len(where))
        path.write_bytes(data.tobytes())
        decoder = url_decoder(str(path), plan())
        await play(decoder)
        assert decoder.state.over, seed
        assert decoder.state.name == "ended" or "a.mkv" in decoder.state.detail, (seed, decoder.state.detail)


async def test_pixel_shape_changes_on_the_way(tmp_path: Path) -> None:
    wide = write(tmp_path / "b.ts", Film(steady(30), pixel_aspect=Fraction(2))).read_bytes()
    path = tmp_path / "a.ts"
    path.write_bytes(write(tmp_path / "first.ts", Film(steady(30), pixel_aspect=Fraction(1))).read_bytes() + wide)
    chunks = await play(url_decoder(str(path), plan()))
    shapes = [chunk.frames[0].rgb.shape[:2] for chunk in chunks]
    assert (shapes[0], shapes[-1]) == ((32, 43), (32, 85))


async def test_damaged_pixel_shape_is_square(tmp_path: Path) -> None:
    """A header said 20:1; `run` refused the film, and `annotate` wrote it."""
    path = write(tmp_path / "a.mp4", Film(steady(60), pixel_aspect=Fraction(20)))
    decoder = url_decoder(str(path), plan())
    chunks = await play(decoder)
    assert (decoder.state.name, decoder.state.detail) == ("ended", "")
    assert chunks[0].frames[0].rgb.shape[:2] == (32, 43)
