"""Reading what is damaged, refused or chosen wrongly by others."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from cornerman_media.errors import MediaError, NoVideoError, StreamLostError, UnreadableError
from cornerman_media.length import length_s, measure
from cornerman_media.opening import OpenOptions, shown_name
from cornerman_media.reader import open_video
from cornerman_media.timestamps import TimeRepair
from tests.unit.media.films import BLUE, GREEN, RED, Film, number_of, numbered, steady, write
from tests.unit.media.reading import read, read_and_measure

NO_B = {"bf": "0"}


def damaged(path: Path, start: float, end: float, seed: int = 1) -> Path:
    """Random bytes between two parts of a file."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * start), int(len(data) * end)
    data[first:last] = np.random.default_rng(seed).integers(0, 256, last - first, dtype=np.uint8).tobytes()
    path.write_bytes(bytes(data))
    return path


def test_broken_packet_does_not_end_it(tmp_path: Path) -> None:
    film = Film(
        steady(60), size=(128, 96), codec="mjpeg", pixel_format="yuvj420p", codec_options={"qmin": "2", "qmax": "2"}
    )
    path = write(tmp_path / "a.mkv", film)
    with av.open(str(path)) as container:
        packet = bytes([one for one in container.demux(video=0) if one.size][20])
    path.write_bytes(path.read_bytes().replace(packet, bytes(len(packet)), 1))
    with open_video(path) as video:
        times = [frame.time_s for frame in video]
        assert video.note == "1 broken packet was skipped"
    assert times == pytest.approx([at for index, at in enumerate(steady(60)) if index != 20], abs=0.001)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.mp4"])
def test_damage_in_the_middle_is_survived(tmp_path: Path, name: str, seed: int) -> None:
    film = Film(
        steady(90),
        size=(128, 96),
        codec_options={"g": "15"},
        muxer_options={"movflags": "+faststart"} if name == "a.mp4" else {},
    )
    path = damaged(write(tmp_path / name, film), 0.4, 0.5, seed)
    found = read(path)
    assert len(found.times_s) > 60 and found.times_s[-1] > 2.4


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "there is no such file; check the path"),
        (lambda path: path.mkdir(), "it is a folder; give a video file in it"),
        (lambda path: path.write_bytes(b""), r"the file is empty \(0 bytes\)"),
        (lambda path: os.mkfifo(path), "it is a pipe, which cannot be read twice"),
        (lambda path: path.write_text("just words\n" * 400), "it is text|not a video that can be read"),
        (lambda path: path.write_bytes(bytes(range(256)) * 40), "not a video that can be read"),
    ],
    ids=["missing", "folder", "empty", "pipe", "text", "noise"],
)
def test_refusal_says_what_to_do(tmp_path: Path, make, text: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "film.mp4"
    make(path)
    with pytest.raises(UnreadableError, match=f"film.mp4: ({text})"):
        open_video(path)
    assert length_s(path) is None


def test_standard_input_is_refused() -> None:
    with pytest.raises(UnreadableError, match="standard input"):
        open_video("-")


def test_null_character_is_not_a_path() -> None:
    with pytest.raises(MediaError):
        open_video("a\0b.mp4")


def test_playlist_cannot_reach_the_network(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError):
        list(open_video(path))


def test_film_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(MediaError, match=r"a.mkv: "):
        list(open_video(path))


def test_film_without_key_frame_says_so(tmp_path: Path) -> None:
    """The only key frame was lost, and the message said that the film had no frames."""
    path = tmp_path / "late.mkv"
    with av.open(str(write(tmp_path / "whole.mkv", Film(steady(30))))) as whole, av.open(str(path), "w") as late:
        stream = late.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size and not packet.is_keyframe:
                packet.stream = stream
                late.mux(packet)
    with open_video(path) as video, pytest.raises(NoVideoError, match=r"29 packets without a key frame to begin with"):
        list(video)


def test_only_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*sound.encode(frame), *sound.encode(None)])
    with pytest.raises(NoVideoError, match=r"there is no video in it, only audio; give one with a picture"):
        open_video(path)


def test_default_track_wins_over_larger(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for size, default in (((128, 96), False), ((64, 48), True)):
            stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.disposition = av.stream.Disposition.default if default else av.stream.Disposition(0)
            streams.append((stream, size))
        for index in range(10):
            for stream, size in streams:
                frame = av.VideoFrame.from_ndarray(numbered(index, size), format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 30)
                container.mux(stream.encode(frame))
        for stream, _ in streams:
            container.mux(stream.encode(None))
    found = read(path)
    assert (found.size, found.numbers) == ((64, 48), list(range(10)))


def test_open_file_object_is_read(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mkv", Film(steady(10))).read_bytes()
    with open_video(io.BytesIO(data)) as video:
        assert len(list(video)) == 10


def test_file_url_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a film.mkv", Film(steady(10)))
    with open_video(path.as_uri()) as video:
        assert len(list(video)) == 10


def test_interruption_ends_it(tmp_path: Path) -> None:
    seen: list[float] = []
    with open_video(write(tmp_path / "a.mkv", Film(steady(30)))) as video:
        seen.extend(frame.time_s for frame in video.frames(lambda: len(seen) >= 5))
    assert 5 <= len(seen) < 30


@pytest.mark.parametrize("name", ["a.flv", "a.mpg"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_late_streams_are_read(name: str, as_bytes: bool, tmp_path: Path) -> None:
    """Some formats show their streams only while they are probed."""
    codec = "libx264" if name == "a.flv" else "mpeg2video"
    film = Film(steady(12, 25), codec=codec, rate=Fraction(25), tick=Fraction(1, 25 if codec == "mpeg2video" else 1000))
    path = write(tmp_path / name, film)
    with open_video(io.BytesIO(path.read_bytes()) if as_bytes else path) as video:
        assert [number_of(frame.rgb()) for frame in video] == list(range(12))


class WallClock:
    """Stands for the module `time`: time passes only when a test says so."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


class Chatty:
    """A connection that gives the picture's packets once, and then others without end, one every 0.15 s.

    The reader's own container stays open: its stream, which the reader asks, is freed with it.
    """

    def __init__(
        self,
        path: Path,
        clock: WallClock,
        then: Callable[[av.Packet], bool],
        opened: av.container.InputContainer,
    ) -> None:
        self._container = av.open(str(path))
        self._clock, self._then, self._opened = clock, then, opened

    def close(self) -> None:
        self._container.close()
        self._opened.close()

    def demux(self) -> Iterator[av.Packet]:
        packets = [packet for packet in self._container.demux() if packet.size]
        yield from (packet for packet in packets if packet.stream.type == "video")
        for packet in itertools.cycle([packet for packet in packets if self._then(packet)]):
            self._clock.now_s += 0.15
            yield packet


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr("cornerman_media.reader.time", clock)
    return clock


def test_sound_alone_is_not_a_picture(tmp_path: Path, wall_clock: WallClock) -> None:
    """A camera whose picture stopped and whose sound went on was read for ever."""
    path = write(tmp_path / "a.ts", Film(steady(30), audio_s=(0.0, 1.0)))
    with open_video(io.BytesIO(path.read_bytes()), OpenOptions(read_timeout_s=2.0)) as video:
        video._container = Chatty(path, wall_clock, lambda packet: packet.stream.type == "audio", video._container)
        with pytest.raises(StreamLostError, match=r"no picture came for 2 s, only other tracks"):
            list(video)
    assert video.packets_read == 30
    assert wall_clock.now_s == pytest.approx(1002.1)


def test_packets_without_pictures_are_lost(tmp_path: Path, wall_clock: WallClock) -> None:
    """A camera that sends no key frame was read for ever: bytes came, and the decoder gave nothing."""
    path = write(tmp_path / "a.ts", Film(steady(30), codec_options={"bf": "0", "g": "30"}))

    class Keyless(Chatty):
        def demux(self) -> Iterator[av.Packet]:
            packets = [packet for packet in self._container.demux() if packet.size and not packet.is_keyframe]
            for packet in itertools.cycle(packets):
                self._clock.now_s += 0.15
                yield packet

    with open_video(io.BytesIO(path.read_bytes()), OpenOptions(read_timeout_s=2.0)) as video:
        video._container = Keyless(path, wall_clock, lambda _: True, video._container)
        with pytest.raises(StreamLostError, match=r"no picture came for 2 s, only packets that give none"):
            list(video)
    assert video.frames_read == 0


def test_repair_joins_two_inputs(tmp_path: Path) -> None:
    path, repair = write(tmp_path / "a.mkv", Film(steady(10))), TimeRepair(1 / 30)
    times = []
    for _ in range(2):
        with open_video(path, repair=repair) as video:
            times += [frame.time_s for frame in video]
        repair.restart()
    assert times == pytest.approx(steady(20), abs=0.002)


def test_url_is_shown_without_password() -> None:
    assert shown_name("rtsp://admin:secret@cam:554/live", OpenOptions()) == "rtsp://cam/live"
    with pytest.raises(UnreadableError) as caught:
        open_video("RTSP://admin:secret@127.0.0.1:9/live", OpenOptions(open_timeout_s=2))
    assert "secret" not in str(caught.value) and "rtsp://127.0.0.1/live" in str(caught.value).lower()


@pytest.mark.parametrize(
    ("codec", "pixel_format", "name"),
    [
        ("libx264", "yuv444p", "a.mp4"),
        ("libx264", "yuv420p10le", "a.mp4"),
        ("ffv1", "yuv420p16le", "a.mkv"),
        ("ffv1", "yuva420p", "a.mkv"),
        ("ffv1", "bgra", "a.mkv"),
        ("png", "rgb48be", "a.mov"),
        ("qtrle", "argb", "a.mov"),
        ("mjpeg", "yuvj422p", "a.mov"),
    ],
)
@pytest.mark.parametrize("size", [None, (32, 24), (128, 96)], ids=["as shown", "smaller", "larger"])
def test_every_pixel_format_has_its_colours(
    tmp_path: Path, codec: str, pixel_format: str, name: str, size: tuple[int, int] | None
) -> None:
    path = write(tmp_path / name, Film([0.0], codec=codec, pixel_format=pixel_format))
    with open_video(path) as video:
        picture = next(iter(video)).rgb(size)
    height, width, _ = picture.shape
    assert picture.dtype == np.uint8 and picture.flags.c_contiguous
    for at, colour in (((2, 4), RED), ((2, width - 5), GREEN), ((height - 3, 4), BLUE)):
        assert np.abs(picture[at].astype(int) - colour).max() < 25


@pytest.mark.parametrize("params", ["tff=1", "bff=1", "tff=1:bframes=2:b-adapt=0"])
@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_interlaced_film_is_whole(tmp_path: Path, name: str, params: str) -> None:
    found = read_and_measure(
        write(tmp_path / name, Film(steady(20, 25), size=(96, 96), codec_options={"x264-params": params}))
    )
    assert found.numbers == list(range(20)) and found.upright
    assert found.times_s == pytest.approx(steady(20, 25), abs=1e-4)


def test_measure_counts_what_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Film([0.0, 0.1, 0.5, 0.6], codec_options=NO_B))
    length = measure(path)
    assert length.frames == 4
    assert length.length_s == pytest.approx(read(path).end_s)
