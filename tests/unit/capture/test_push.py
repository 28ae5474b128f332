"""Pushed pictures: every kind of JPEG and WebP is decoded; broken ones are counted and skipped."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cornerman_capture.scaling import FrameScaler
from cornerman_capture.sources.opening import open_source
from cornerman_capture.sources.push import Inbox
from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.settings.tree import CaptureSettings

RED, BLUE = (200, 20, 20), (20, 20, 200)


def halves(width: int = 64, height: int = 48) -> Image.Image:
    """A picture with a red left half and a blue right half."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def see_through(picture: Image.Image) -> Image.Image:
    copy = picture.convert("RGBA")
    copy.putalpha(10)
    return copy


def decoded(*bodies: bytes) -> tuple[list[av.VideoFrame | None], str]:
    """Pushes pictures; returns the frame of each, and the note of the source."""
    inbox = Inbox()
    source = open_source("push://cam1", CaptureSettings(), inbox)
    pictures = source.frames(lambda: False)
    made = []
    for body in bodies:
        inbox.put(0.0, body)
        made.append(next(pictures).decode())
    return made, source.note


@pytest.mark.parametrize(
    "body",
    [
        encoded(halves(), "JPEG", quality=95),
        encoded(halves(), "JPEG", quality=95, progressive=True),
        encoded(halves(), "WEBP", quality=95),
        encoded(halves(), "WEBP", lossless=True),
        encoded(see_through(halves()), "WEBP", quality=95),
        encoded(see_through(halves()), "WEBP", lossless=True, exact=True),
        encoded(halves(), "WEBP", quality=95, exif=Image.Exif().tobytes(), icc_profile=b"x" * 40),
    ],
    ids=["jpeg", "progressive", "webp", "lossless", "alpha", "lossless-alpha", "extended"],
)
def test_picture_kinds_keep_their_colours(body: bytes) -> None:
    (frame,), note = decoded(body)
    assert frame is not None and (frame.width, frame.height) == (64, 48)
    assert note == ""
    rgb = FrameScaler(48).rgb(frame).astype(int)
    assert rgb.shape == (48, 64, 3)
    assert np.abs(rgb[24, 16] - RED).max() < 16
    assert np.abs(rgb[24, 48] - BLUE).max() < 16


@pytest.mark.parametrize(("orientation", "red_at"), [(1, (24, 8)), (3, (24, 56)), (6, (8, 24)), (8, (56, 24))])
@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_exif_orientation_is_applied(form: str, orientation: int, red_at: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    (frame,), _note = decoded(encoded(halves(), form, quality=95, exif=exif.tobytes()))
    assert frame is not None
    rgb = FrameScaler(48).rgb(frame).astype(int)
    assert rgb.shape[:2] == ((64, 48) if orientation > 4 else (48, 64))
    assert np.abs(rgb[red_at] - RED).max() < 16
    assert JpegEncoder(960, 80).jpeg(frame).startswith(b"\xff\xd8")


def test_picture_size_may_change() -> None:
    made, _note = decoded(*(encoded(halves(*size), "WEBP") for size in ((64, 48), (33, 17), (640, 480))))
    assert [(frame.width, frame.height) for frame in made if frame] == [(64, 48), (33, 17), (640, 480)]


WEBP = encoded(Image.effect_noise((64, 48), 80).convert("RGB"), "WEBP", quality=80)
MOVING = encoded(halves(), "WEBP", save_all=True, append_images=[halves().rotate(180)], duration=100)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xd8 no picture",
        b"RIFF\x10\0\0\0WEBP",
        b"RIFF\x10\0\0\0WEBPVP8 " + bytes(40),
        b"RIFF\x10\0\0\0WEBPVP8L" + bytes(40),
        WEBP[: len(WEBP) // 8],
        WEBP[:12] + WEBP[20:],
        MOVING,
        encoded(halves(), "PNG"),
        b"RIFF\x10\0\0\0AVI LIST" + bytes(40),
    ],
    ids=["empty", "no-jpeg", "bare", "zeros", "zeros-lossless", "cut", "no-chunk", "moving", "png", "avi"],
)
def test_broken_picture_is_counted(body: bytes) -> None:
    whole = [encoded(halves(), "WEBP"), encoded(halves(), "JPEG")]
    made, note = decoded(whole[0], body, *whole)
    assert [frame is not None for frame in made] == [True, False, True, True]
    assert note == "1 pictures were neither JPEG nor WebP"


@settings(max_examples=60, deadline=None)
@given(at=st.integers(12, len(WEBP) - 1), value=st.integers(0, 255), end=st.integers(12, len(WEBP)))
def test_damaged_webp_raises_nothing(at: int, value: int, end: int) -> None:
    body = bytearray(WEBP)
    body[at] = value
    (frame,), _note = decoded(bytes(body[:end]))
    assert frame is None or frame.width > 0


def test_huge_picture_is_skipped() -> None:
    huge = bytearray(WEBP)
    key = huge.index(b"\x9d\x01\x2a")
    huge[key + 3 : key + 7] = b"\xff\x3f\xff\x3f"  # 16383 x 16383
    (frame,), note = decoded(bytes(huge))
    assert frame is None
    assert "1 pictures" in note


def test_pictures_keep_their_times() -> None:
    inbox = Inbox()
    for pts_s in (0.0, 0.1, None):
        inbox.put(pts_s, b"")
    pictures = open_source("push://cam1", CaptureSettings(), inbox).frames(lambda: False)
    assert [next(pictures).raw_s for _ in range(3)] == [0.0, 0.1, None]


def test_full_inbox_drops_the_oldest() -> None:
    inbox = Inbox()
    for index in range(100):
        inbox.put(float(index), b"")
    assert inbox.get(0.0) == (92.0, b"")


def test_silent_browser_can_be_stopped() -> None:
    source = open_source("push://cam1", CaptureSettings(), Inbox())
    asked = iter([False, True])
    assert list(source.frames(lambda: next(asked))) == []
