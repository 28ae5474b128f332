"""Writing: exact times, one size, sound, the source's colours; all of it or nothing."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_media.audio import AudioCopy
from cornerman_media.errors import WriteError
from cornerman_media.reader import open_video
from cornerman_media.rewriting import rewrite
from cornerman_media.suffixes import SUFFIXES, check_suffix
from cornerman_media.writer import VideoWriter, WriteOptions
from tests.unit.media.films import Film, jpeg, numbered, steady, write
from tests.unit.media.reading import read

UNEVEN = [0.0, 0.04, 0.05, 0.3, 0.31, 1.7, 1.8, 4.0]


def only(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.webm"])
def test_uneven_times_are_kept(tmp_path: Path, name: str) -> None:
    options = WriteOptions(codec_options={"crf": "12", "b": "3M"} if name == "a.webm" else {"crf": "12"})
    with VideoWriter(tmp_path / name, options) as writer:
        for number, time_s in enumerate(UNEVEN):
            writer.write(numbered(number), time_s, 0.5)
    found = read(tmp_path / name)
    assert found.numbers == list(range(8))
    assert found.times_s == pytest.approx(UNEVEN, abs=0.0011)
    assert (writer.frames, writer.size) == (8, (64, 48))
    assert only(tmp_path) == [name]


def test_last_frame_lasts_as_told(tmp_path: Path) -> None:
    options = WriteOptions(codec_options={"bf": "0"})
    with VideoWriter(tmp_path / "a.mp4", options) as writer:
        for index in range(5):
            writer.write(numbered(index), 4.0 * index, 4.0)
    assert read(tmp_path / "a.mp4").end_s == pytest.approx(20.0)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(60)])
def test_rate_falls_on_exact_ticks(tmp_path: Path, rate: Fraction) -> None:
    with VideoWriter(tmp_path / "a.mp4", WriteOptions(rate=rate)) as writer:
        for index in range(20):
            writer.write(numbered(index), float(index / rate))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        stamps = sorted(packet.pts for packet in container.demux(stream) if packet.size)
        assert {(later - earlier) * stream.time_base for earlier, later in pairwise(stamps)} == {1 / rate}
        assert stream.average_rate == rate


def test_times_that_do_not_rise_are_moved(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for index, time_s in enumerate([0.0, 0.1, 0.1, 0.05, 0.2]):
            writer.write(numbered(index), time_s)
    assert read(tmp_path / "a.mp4").numbers == list(range(5))


@pytest.mark.parametrize("second", [(128, 96), (32, 24), (48, 64), (200, 48), (65, 49)])
def test_later_size_is_fitted(tmp_path: Path, second: tuple[int, int]) -> None:
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for index in range(6):
            writer.write(numbered(index, (64, 48) if index < 3 else second), index / 30)
    with open_video(tmp_path / "a.mp4") as video:
        pictures = [frame.rgb() for frame in video]
    assert {picture.shape for picture in pictures} == {(48, 64, 3)}
    beside = pictures[-1][:, :4] if second == (48, 64) else pictures[-1][:4]
    assert (beside.mean() < 25) == (second in ((48, 64), (200, 48)))


@pytest.mark.parametrize("size", [(65, 49), (3, 3), (64, 47)])
def test_odd_size_becomes_even(tmp_path: Path, size: tuple[int, int]) -> None:
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(numbered(1, size) if min(size) > 8 else np.zeros((*size, 3), np.uint8), 0.0)
    assert writer.size == (size[0] // 2 * 2, size[1] // 2 * 2)


def test_error_inside_leaves_nothing(tmp_path: Path) -> None:
    options = WriteOptions(codec_options={"tune": "zerolatency"})
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "a.mp4", options) as writer:
        for index in range(40):
            writer.write(numbered(index), index / 30)
        assert len(only(tmp_path)) == 1  # the part that is on the disk
        raise RuntimeError("the caller fails")
    assert only(tmp_path) == []


def test_error_inside_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"what was there")
    with pytest.raises(RuntimeError), VideoWriter(target) as writer:
        writer.write(numbered(0), 0.0)
        raise RuntimeError("the caller fails")
    assert target.read_bytes() == b"what was there" and only(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("name", ["a.nonsense", "a", "missing/a.mp4"])
def test_impossible_target_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match="cannot be written"), VideoWriter(tmp_path / name) as writer:
        writer.write(numbered(0), 0.0)
    assert only(tmp_path) == []


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    options = WriteOptions(codec="rawvideo")
    writer = VideoWriter(tmp_path / "a.avi", options)
    writer._part = Path("/dev/full")
    with pytest.raises(WriteError, match="cannot be written"):
        for index in range(50):
            writer.write(numbered(index, (640, 480)), index / 30)
        writer._part = tmp_path / "gone"
        writer.finish()
    assert only(tmp_path) == []


def test_film_without_frames_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="it was given no frame"), VideoWriter(tmp_path / "a.mp4"):
        pass
    assert only(tmp_path) == []


def test_source_is_not_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Film(steady(5)))
    with pytest.raises(WriteError, match="is the video itself"):
        rewrite(path, tmp_path / "." / "a.mp4", lambda _: None)
    assert read(path).numbers == list(range(5))


def test_broken_source_leaves_no_film(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(b"RIFF" + bytes(400))
    with pytest.raises(Exception, match=r"a\.avi"):
        rewrite(path, tmp_path / "out.mp4", lambda _: None)
    assert only(tmp_path) == ["a.avi"]


@pytest.mark.parametrize(
    ("suffix", "codec", "target", "kept"),
    [
        ("mp4", "aac", "mp4", True),
        ("mkv", "pcm_s16le", "mkv", True),
        ("mkv", "pcm_s16le", "webm", False),
        ("mkv", "flac", "mov", False),
    ],
)
def test_sound_is_copied_or_said(tmp_path: Path, suffix: str, codec: str, target: str, kept: bool) -> None:
    path = write(tmp_path / f"a.{suffix}", Film(steady(30), audio_s=(0.0, 1.0), audio_codec=codec))
    out = tmp_path / f"out.{target}"
    written = rewrite(path, out, lambda _: None)
    with av.open(str(out)) as container:
        assert [one.codec_context.name for one in container.streams.audio] == ([codec] if kept else [])
    assert read(out).numbers == list(range(30))
    assert bool(written.notes) is not kept
    if not kept:
        assert written.notes[0].startswith(f"the sound is left out: .{target} cannot hold {codec}")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_copied_sound_is_the_same(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, Film(steady(60, 30, 1.0), audio_s=(0.25, 2.5)))
    rewrite(path, tmp_path / f"out-{name}", lambda _: None)
    assert heard(tmp_path / f"out-{name}") == heard(path)


def heard(path: Path) -> list[tuple[float, bytes]]:
    """Packets of sound with their distance from the first picture, seconds."""
    with av.open(str(path)) as container:
        packets = [one for one in container.demux() if one.size]
        first_s = min(one.pts * one.time_base for one in packets if one.stream.type == "video")
        return [
            (round(float(one.pts * one.time_base - first_s), 3), bytes(one))
            for one in packets
            if one.stream.type == "audio"
        ]


def test_broken_sound_is_left_out(tmp_path: Path) -> None:
    """One damaged packet of AAC ended the whole film."""
    path = write(tmp_path / "a.ts", Film(steady(60), audio_s=(0.0, 2.0)))
    with av.open(str(path)) as container:
        packet = bytes([one for one in container.demux(audio=0) if one.size][10])
    data = path.read_bytes()
    at = data.index(packet[:20])
    path.write_bytes(data[: at + 1] + b"\0" + data[at + 2 :])
    written = rewrite(path, tmp_path / "out.mp4", lambda _: None)
    assert written.frames == 60 and read(tmp_path / "out.mp4").numbers == list(range(60))
    assert 1.5 < sound_of(tmp_path / "out.mp4") < 2.3


def sound_of(path: Path) -> float:
    with av.open(str(path)) as container:
        return sum(float(one.duration * one.time_base) for one in container.demux(audio=0) if one.size)


def test_sound_follows_a_reset_clock(tmp_path: Path) -> None:
    """Two recordings of a second, glued: the sound goes on with the picture, but for the coder's lead-in."""
    part = write(tmp_path / "part.ts", Film(steady(30), audio_s=(0.0, 1.0))).read_bytes()
    path = tmp_path / "a.ts"
    path.write_bytes(part + part)
    rewrite(path, tmp_path / "out.mp4", lambda _: None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        ends = {one.type: float(one.duration * one.time_base) for one in container.streams}
    assert ends == pytest.approx({"video": 2.0, "audio": 2.0}, abs=0.2)


@pytest.mark.parametrize("matrix", [1, 5, 2])
def test_drawn_frames_keep_their_colours(tmp_path: Path, matrix: int) -> None:
    """A film in BT.709 was drawn on in BT.601: its colours jumped with every caption."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = matrix
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(numbered(255), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=matrix if matrix != 2 else None)
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    out = tmp_path / "out.mp4"
    rewrite(path, out, lambda at: np.copy if at > 0.15 else None, codec_options={"crf": "4"})
    with open_video(path) as before, open_video(out) as after:
        original = next(iter(before)).rgb()
        pictures = [frame.rgb() for frame in after]
    for picture in (pictures[1], pictures[-1]):
        assert np.abs(picture[4:8, 4:24].astype(int) - original[4:8, 4:24]).mean() < 4


def test_full_range_is_not_washed_out(tmp_path: Path) -> None:
    path = tmp_path / "a.mjpeg"
    path.write_bytes(b"".join(jpeg(255) for _ in range(5)))
    rewrite(path, tmp_path / "out.mp4", lambda _: None, codec_options={"crf": "4"})
    with open_video(path) as before, open_video(tmp_path / "out.mp4") as after:
        assert np.abs(next(iter(before)).rgb()[:24].astype(int) - next(iter(after)).rgb()[:24]).mean() < 5


def test_audio_copy_without_sound_is_silent(tmp_path: Path) -> None:
    with AudioCopy(write(tmp_path / "a.mp4", Film(steady(5)))) as sound:
        assert list(sound.until(9.0)) == [] and sound.why_not == ""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_named_suffixes_can_be_written(tmp_path: Path, suffix: str) -> None:
    check_suffix(tmp_path / f"film{suffix}")
    check_suffix(tmp_path / f"film{suffix.upper()}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["film.nope", "film.mp3", "film.vtt", "film"])
def test_unknown_suffix_names_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match=r"give one of \.mp4, \.mov"):
        check_suffix(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
