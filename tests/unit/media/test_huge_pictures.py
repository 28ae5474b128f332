"""Pictures of many pixels: refused before memory is given to them, with the size and the remedy."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.opening import open_source
from cornerman_media.errors import NoVideoError, UnreadableError
from cornerman_media.opening import OpenOptions
from cornerman_media.reader import open_video
from cornerman_shared.settings.tree import CaptureSettings
from tests.unit.media.films import Film, jpeg, steady, write

SIDE = 16_000
FRAME_TICK = Fraction(1, 30)
HUGE = r"no frame of it can be decoded: its pictures are damaged, or have more than 64,000,000 pixels.*make it smaller"


def huge(picture: bytes) -> bytes:
    """The JPEG with another size in its frame header (ITU T.81, B.2.2)."""
    at = picture.index(b"\xff\xc0")
    return picture[: at + 5] + struct.pack(">HH", SIDE, SIDE) + picture[at + 9 :]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "huge.mjpeg"
    path.write_bytes(huge(jpeg(0)) * 8)
    return path


def test_huge_file_is_refused(film: Path) -> None:
    with open_video(film) as video, pytest.raises(NoVideoError, match=HUGE):
        next(video.frames())


def test_capture_says_why(film: Path) -> None:
    source = open_source(str(film), CaptureSettings())
    with pytest.raises(BrokenError, match=HUGE) as caught:
        next(source.frames(lambda: False))
    source.close()
    assert caught.value.final


def test_limit_is_a_setting(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", Film(steady(4)))
    with open_video(path) as video:
        assert sum(1 for _ in video) == 4
        pixels = video.info.width * video.info.height
    with pytest.raises(UnreadableError, match=f"at most {pixels - 1:,} in all"):
        open_video(path, OpenOptions(max_pixels=pixels - 1))
    with pytest.raises(BrokenError, match=r"its pictures have 64 x 48 pixels; at most 2,000 in all.* make it smaller"):
        open_source(str(path), CaptureSettings(max_pixels=2000))


def test_picture_that_grows_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "grows.mjpeg"
    small = [jpeg(index) for index in range(6)]
    path.write_bytes(b"".join((*small[:3], huge(small[3]), *small[4:])))
    with open_video(path) as video:
        sizes = {(frame.picture.width, frame.picture.height) for frame in video}
        assert video.frames_read == 5
    assert len(sizes) == 1
    assert video.broken_packets == 1


@pytest.mark.parametrize("name", ["film.flv", "film.mpg"])
def test_sizes_are_read_before_any_decoder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Formats without a list of streams were probed by decoders that knew no limit."""
    film = {
        "film.flv": Film(steady(8), size=(320, 240)),
        "film.mpg": Film(steady(8), (320, 240), "mpeg2video", tick=FRAME_TICK),
    }
    path = write(tmp_path / name, film[name])
    with open_video(path, OpenOptions(max_pixels=320 * 240)) as video:
        assert sum(1 for _ in video) == 8
    opened: list[str] = []
    opens = av.open

    def watched(*args: Any, **more: Any) -> Any:
        opened.append(more["container_options"].get("codec_whitelist", "any"))
        return opens(*args, **more)

    monkeypatch.setattr("cornerman_media.opening.av.open", watched)
    with pytest.raises(UnreadableError, match="its pictures have 320 x 240 pixels"):
        open_video(path, OpenOptions(max_pixels=320 * 240 - 1))
    assert opened[-1] == "none"
