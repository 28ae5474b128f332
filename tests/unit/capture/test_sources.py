"""Opening sources by URL: correct frames or a clear error, without a hang."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cornerman_capture.broken import BrokenError
from cornerman_capture.core import Chunker
from cornerman_capture.looks import look_cutter
from cornerman_capture.sources.av_source import AvSource
from cornerman_capture.sources.opening import open_source
from cornerman_capture.sources.pattern import PatternSource
from cornerman_common.looks import LookPlan
from cornerman_shared.settings.tree import CaptureSettings

NOISE = np.random.default_rng(3).bytes(4000)
SETTINGS = CaptureSettings(open_timeout_s=60.0, stall_s=0.5)
Maker = Callable[..., Path]


def times_of(url: str) -> list[float | None]:
    source = open_source(url, SETTINGS)
    try:
        return [picture.raw_s for picture in source.frames(lambda: False)]
    finally:
        source.close()


def refused(url: str, settings: CaptureSettings = SETTINGS) -> BrokenError:
    began_s = time.monotonic()
    with pytest.raises(BrokenError) as caught:
        source = open_source(url, settings)
        try:
            for _ in source.frames(lambda: False):
                raise AssertionError("it gave a picture")
        finally:
            source.close()
    assert time.monotonic() - began_s < 50.0  # at once, not by a timeout
    return caught.value


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts"])
def test_file_frames_come_in_order(make_video: Maker, name: str) -> None:
    times = times_of(str(make_video(name, seconds=2.0)))
    assert len(times) == 60
    known = [t for t in times if t is not None]
    assert known == sorted(known)
    assert known[-1] - known[0] == pytest.approx(59 / 30, abs=0.01)


def test_decoding_times_come_in_order(make_video: Maker) -> None:
    """H.264 with B-frames in AVI: the container has only decoding times, and frames come as 0.03, 0.1, 0.06 …"""
    raw = times_of(str(make_video("a.avi", seconds=4.0)))
    chunker = Chunker(look_cutter(LookPlan("chunk", 8.0, 4), 1 / 30), 1 / 30)
    assert [chunker.stamp(raw_s)[0] for raw_s in raw] == pytest.approx([i / 30 for i in range(120)], abs=1e-3)


def test_frame_rate_and_length_are_read(make_video: Maker) -> None:
    source = open_source(str(make_video(fps=25, seconds=2)), SETTINGS)
    assert source.info.nominal_s == pytest.approx(1 / 25)
    assert source.info.duration_s == pytest.approx(2.0, abs=0.1)
    assert not source.info.live
    source.close()


def test_variable_frame_rates_keep_their_timestamps(make_video: Maker) -> None:
    stamps = [0.0, 0.033, 0.5, 0.51, 0.9, 2.0]
    assert times_of(str(make_video("a.mkv", times=stamps))) == pytest.approx(stamps, abs=0.002)


def test_missing_file_is_named(tmp_path: Path) -> None:
    error = refused(str(tmp_path / "gone.mp4"))
    assert error.final
    assert "gone.mp4" in str(error) and "no such file" in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (NOISE, "not a video"), (b"hello world\n" * 500, "not a video|is text")],
)
def test_non_video_file_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert refused(str(path)).final
    with pytest.raises(BrokenError, match=message):
        open_source(str(path), SETTINGS)


def test_text_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello world\n" * 500)
    assert "text" in str(refused(str(path)))


def test_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    assert "folder" in str(refused(str(tmp_path)))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "it is a pipe" in str(refused(str(pipe)))


def test_audio_without_video_is_an_error(make_video: Maker) -> None:
    error = refused(str(make_video("a.m4a", audio_only=True)))
    assert error.final
    assert "no video" in str(error) and "audio" in str(error)


def test_missing_index_is_an_error(make_video: Maker) -> None:
    path = make_video("a.mp4")
    path.write_bytes(path.read_bytes()[:-2000])
    assert "cut short" in str(refused(str(path)))


@pytest.mark.parametrize(("name", "options"), [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {}), ("a.ts", {})])
def test_truncated_file_gives_its_start(make_video: Maker, name: str, options: dict[str, str]) -> None:
    path = make_video(name, seconds=4, options=options, quality={"g": "15"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    assert 30 < len(times_of(str(path))) < 120


def test_damaged_file_plays_on(make_video: Maker) -> None:
    path = make_video("a.mkv", seconds=4, quality={"g": "15"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = NOISE[:300]
    path.write_bytes(bytes(data))
    assert len(times_of(str(path))) > 60


def test_files_can_be_switched_off(make_video: Maker) -> None:
    error = refused(str(make_video()), CaptureSettings(allow_files=False))
    assert error.final and "allow_files" in str(error)


@pytest.mark.parametrize("name", ["a|b.mp4", "concat:a.mp4", "https.mp4", "a b%20c.mp4", "ü.mp4"])
def test_odd_file_name_is_a_file(make_video: Maker, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make_video("plain.mp4", seconds=0.5).rename(path)
    assert len(times_of(str(path))) == 15


def test_playlist_file_cannot_reach_the_network(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    refused(str(path))


def test_refused_connection_is_retryable() -> None:
    error = refused("rtsp://admin:s3cret@127.0.0.1:9/live")
    assert not error.final
    assert "refused" in str(error) and "s3cret" not in str(error)
    assert error.__cause__ is None and error.__suppress_context__


def test_unknown_host_is_named() -> None:
    error = refused("http://no-such-host.invalid/a.mp4")
    assert "host name is not known" in str(error)


def test_missing_camera_is_retryable() -> None:
    error = refused("/dev/video63")
    assert not error.final and "no such camera" in str(error)


def test_unknown_camera_option_is_refused() -> None:
    assert "there is no option 'width'" in str(refused("device:0?width=3"))


def test_pattern_depends_on_its_seed() -> None:
    def pictures(url: str) -> list[np.ndarray]:
        source = open_source(url, SETTINGS)
        frames = [picture.decode() for picture in source.frames(lambda: False)]
        return [frame.to_ndarray(format="rgb24") for frame in frames if frame is not None]

    url = "test://pattern?fps=10&seconds=2&size=64x48&seed="
    first, again, other = pictures(url + "1"), pictures(url + "1"), pictures(url + "2")
    assert len(first) == 20
    assert first[0].shape == (48, 64, 3)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not all((a == b).all() for a, b in zip(first, other, strict=True))
    assert all((a != b).any() for a, b in zip(first, first[3:], strict=False))


def test_pattern_can_be_uneven() -> None:
    times = times_of("test://pattern?fps=10&seconds=3&vfr=1")
    steps = np.diff([t for t in times if t is not None])
    assert steps.min() > 0
    assert steps.std() > 0.01


def test_pattern_can_be_endless() -> None:
    source = open_source("test://pattern?seconds=0&fps=1000&size=16x16", SETTINGS)
    assert isinstance(source, PatternSource)
    pictures = source.frames(lambda: False)
    for _ in range(20_000):
        next(pictures)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("fps=fast", "fps=fast"),
        ("fps=0", "fps=0"),
        ("size=9", "size=9"),
        ("size=4x4", "at least 16"),
        ("colour=1", "colour"),
    ],
)
def test_wrong_pattern_option_is_refused(query: str, message: str) -> None:
    error = refused(f"test://pattern?{query}")
    assert error.final and message in str(error)


def test_interrupt_stops_reading(make_video: Maker) -> None:
    source = open_source(str(make_video(seconds=2)), SETTINGS)
    assert isinstance(source, AvSource)
    assert list(source.frames(lambda: True)) == []
    source.close()
