"""MJPEG cameras over HTTP, each with its own idea of boundaries, headers and lengths."""

from __future__ import annotations

from itertools import islice

import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.mjpeg_source import MjpegSource
from cornerman_capture.sources.opening import SourceOpener, open_source
from cornerman_media.picture_stream import are_pictures
from tests.integration.web_camera import HASTY, JPEG, PATIENT, Base, Mjpeg, part, serving
from tests.unit.media.test_huge_pictures import huge

KIND = "Content-Type: image/jpeg\r\n"
BODIES = {
    "as it should be": part(JPEG),
    "no first boundary": KIND.encode() + b"Content-Length: %d\r\n\r\n" % len(JPEG) + JPEG + b"\r\n--frame\r\n",
    "blank lines": part(JPEG) + b"\r\n\r\n",
    "blank lines before": b"\r\n\r\n" + part(JPEG),
    "length 7 too long": part(JPEG, length=len(JPEG) + 7),
    "length 3000 too long": part(JPEG, length=len(JPEG) + 3000),
    "length too short": part(JPEG, length=len(JPEG) // 2),
    "length 0": part(JPEG, length=0),
    "length not a number": part(JPEG).replace(str(len(JPEG)).encode(), b"about 900"),
    "no length": b"--frame\r\n" + KIND.encode() + b"\r\n" + JPEG + b"\r\n",
    "no headers": b"--frame\r\n\r\n" + JPEG,
    "no boundary at all": JPEG,
    "boundary without dashes": part(JPEG)[2:],
    "another boundary": part(JPEG).replace(b"--frame", b"--other"),
    "bare line feeds": part(JPEG).replace(b"\r\n", b"\n", 4),
    "lower case, no spaces": part(JPEG).lower().replace(JPEG.lower(), JPEG).replace(b": ", b":"),
    "odd type and headers": part(JPEG, "X-Timestamp: 12.3\r\nContent-Type: image/jpg\r\n"),
    "half pictures between": part(JPEG) + part(JPEG[: len(JPEG) // 2]) + part(JPEG),
    "empty parts between": part(b"") + part(JPEG),
    "long text between": b"--frame\r\nX-Comment: " + b"x" * 3000 + b"\r\n" + KIND.encode() + b"\r\n" + JPEG,
}


@pytest.mark.parametrize("name", BODIES)
def test_odd_multipart_plays(name: str) -> None:
    class Camera(Mjpeg):
        body, pause_s = BODIES[name], 0.001

    with serving(Camera) as url:
        source = open_source(f"{url}/stream", PATIENT)
        assert isinstance(source, MjpegSource) and source.info.live
        frames = [frame.decode() for frame in islice(source.frames(lambda: False), 30)]
        source.close()
    assert [(frame.width, frame.height) for frame in frames if frame] == [(64, 48)] * 30


@pytest.mark.parametrize(
    "kind", ["multipart/x-mixed-replace", 'multipart/mixed; boundary="frame"', "application/octet-stream", "image/jpeg"]
)
def test_announced_type_is_not_trusted(kind: str) -> None:
    given = kind

    class Camera(Mjpeg):
        kind = given

    with serving(Camera) as url:
        source = open_source(f"{url}/stream", PATIENT)
        assert len(list(islice(source.frames(lambda: False), 5))) == 5
        source.close()


def test_single_picture_is_a_file() -> None:
    class Snapshot(Base):
        def answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(JPEG)))
            self.end_headers()
            self.wfile.write(JPEG)

    with serving(Snapshot) as url:
        source = open_source(f"{url}/snapshot.jpg", PATIENT)
        assert not source.info.live
        assert len(list(source.frames(lambda: False))) == 1
        source.close()


def test_bytes_without_pictures_break_off() -> None:
    class Camera(Mjpeg):
        body = part(b"no picture")

    with serving(Camera) as url:
        source = open_source(f"{url}/stream", HASTY)
        with pytest.raises(BrokenError, match="no whole picture for 1 s") as caught:
            next(iter(source.frames(lambda: False)))
        source.close()
    assert not caught.value.final


@pytest.mark.parametrize("picture", [huge(JPEG), JPEG.replace(b"\xff\xc0", b"\xff\xc9")], ids=["huge", "arithmetic"])
def test_pictures_that_cannot_be_decoded_are_told(picture: bytes) -> None:
    """A camera whose every picture was refused went on playing, without a chunk and without a word."""

    class Camera(Mjpeg):
        body, pause_s = part(picture), 0.001

    with serving(Camera) as url:
        source = open_source(f"{url}/stream", PATIENT)
        with pytest.raises(BrokenError, match=r"/stream: 24 pictures in a row cannot be decoded: .*make it smaller"):
            for frame in source.frames(lambda: False):
                assert frame.decode() is None
        source.close()


def test_limit_of_pixels_is_a_setting() -> None:
    with serving(Mjpeg) as url:
        source = open_source(f"{url}/stream", PATIENT.model_copy(update={"max_pixels": 64 * 48 - 1}))
        assert next(iter(source.frames(lambda: False))).decode() is None
        source.close()


def test_mjpeg_needs_one_connection() -> None:
    """Small cameras serve one client at a time."""
    asked = []

    class Camera(Mjpeg):
        def answer(self) -> None:
            asked.append(self.path)
            super().answer()

    with serving(Camera) as url:
        opener = SourceOpener(f"{url}/stream", PATIENT)
        for _ in range(2):
            source = opener()
            assert next(iter(source.frames(lambda: False))).decode() is not None
            source.close()
    assert len(asked) == 2


@pytest.mark.parametrize("head", [b"", b"<!DOCTYPE html>", b"#EXTM3U\n#EXT-X-VERSION:3\n", b"\x00\x00\x00\x20ftypisom"])
def test_other_bytes_are_not_pictures(head: bytes) -> None:
    assert not are_pictures(head)
