"""Files as other tools than FFmpeg's defaults write them, made byte by byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from cornerman_media.reader import open_video
from tests.unit.media import muxers
from tests.unit.media.films import Film, encoded, jpeg, numbered, steady, write
from tests.unit.media.reading import read_and_measure

SIZE = (64, 48)
B_FRAMES = {"bf": "2", "x264-params": "b-adapt=0:scenecut=0"}
FRAMES = 30
STEADY = steady(FRAMES)


def h264(b_frames: bool = False) -> tuple[bytes, list[muxers.Sample]]:
    return encoded(Film(steady(FRAMES), codec_options=B_FRAMES if b_frames else {"bf": "0"}))


def packets_of(codec: str, times_ms: list[int], options: dict[str, str]) -> list[tuple[int, bytes, bool]]:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, when in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        video = container.streams.video[0]
        return [
            (round(one.pts * video.time_base * 1000), bytes(one), one.is_keyframe)
            for one in container.demux(video)
            if one.size
        ]


VP8 = {"b": "2M", "auto-alt-ref": "0", "lag-in-frames": "0", "deadline": "realtime"}


def phone_mov() -> bytes:
    """Stored on its side, with the matrix that turns it clockwise."""
    avcc, samples = encoded(Film(STEADY, codec_options={"bf": "0"}, turn=-90))
    return muxers.progressive(avcc, SIZE, samples, matrix=muxers.TURNED)


def file_parts(b_frames: bool) -> tuple[bytes, tuple[int, int], list[muxers.Sample]]:
    avcc, samples = h264(b_frames)
    return avcc, SIZE, samples


def late_edit() -> bytes:
    """The phone's picture begins half a second after its sound: an empty edit, then the reorder delay is skipped."""
    avcc, samples = h264(b_frames=True)
    return muxers.progressive(avcc, SIZE, samples, edits=[(0.5, -1), (1.0, samples[0].pts_s - samples[0].dts_s)])


def trimmed_edit() -> bytes:
    """A film trimmed on the phone: ten frames before and five behind stay in the file and are not shown."""
    avcc, samples = h264()
    return muxers.progressive(avcc, SIZE, samples, edits=[(0.5, 10 / 30)])


UNEVEN_MS = [0, 40, 60, 130, 135, 300, 310, 355, 400, 900]


def media_recorder() -> bytes:
    return muxers.recorded_webm(packets_of("libvpx", [137 + when for when in UNEVEN_MS], VP8), SIZE, 4)


def camera_avi() -> bytes:
    return muxers.camera_avi([jpeg(index) for index in range(FRAMES)], SIZE, 15)


def unindexed_avi() -> bytes:
    return muxers.camera_avi([jpeg(index) for index in range(FRAMES)], SIZE, 15, index=False)


def dropping_avi() -> bytes:
    """A camera that stores an empty chunk for each frame that it lost."""
    return muxers.camera_avi([b"" if index in (4, 5, 11) else jpeg(index) for index in range(FRAMES)], SIZE, 15)


def raw_mjpeg() -> bytes:
    return b"".join(jpeg(index) for index in range(FRAMES))


def planes(index: int) -> bytes:
    frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24").reformat(format="yuv420p")
    return frame.to_ndarray().tobytes()


def anamorphic_y4m() -> bytes:
    return muxers.y4m([planes(index) for index in range(FRAMES)], SIZE, "30000:1001", "16:11")


def vp8_ivf() -> bytes:
    return muxers.ivf(
        [(2 * at, data) for at, (_, data, _) in enumerate(packets_of("libvpx", list(range(0, 990, 33)), VP8))], SIZE, 30
    )


def transport(tmp_path: Path, start_s: float = 0.0, rate: float = 30) -> bytes:
    film = Film(steady(FRAMES, rate, start_s), codec_options=B_FRAMES)
    return write(tmp_path / "part.ts", film).read_bytes()


CASES: dict[str, tuple[Callable[[], bytes], str, list[int], list[float], float, float]] = {
    # name: maker, suffix, numbers, times, where a player begins, length
    "quicktime with its index behind": (
        lambda: muxers.progressive(*file_parts(True)),
        "mov",
        list(range(30)),
        STEADY,
        2 / 30,
        1.0,
    ),
    "phone held upright": (phone_mov, "mov", list(range(30)), STEADY, 0.0, 1.0),
    "empty edit before the picture": (late_edit, "mp4", list(range(30)), STEADY, 0.5, 1.0),
    "trimmed by an edit list": (trimmed_edit, "mp4", list(range(10, 25)), steady(15), 0.0, 0.5),
    "fragments": (lambda: muxers.fragments(*file_parts(False), 7), "mp4", list(range(30)), STEADY, 0.0, 1.0),
    "fragments with b-frames": (
        lambda: muxers.fragments(*file_parts(True), 8),
        "mp4",
        list(range(30)),
        STEADY,
        2 / 30,
        1.0,
    ),
    "browser recording": (
        media_recorder,
        "webm",
        list(range(10)),
        [ms / 1000 for ms in UNEVEN_MS],
        0.137,
        0.9 + 1 / 30,
    ),
    "camera's mjpeg avi": (camera_avi, "avi", list(range(30)), steady(30, 15), 0.0, 2.0),
    "avi without an index": (unindexed_avi, "avi", list(range(30)), steady(30, 15), 0.0, 2.0),
    "avi with lost frames": (
        dropping_avi,
        "avi",
        [n for n in range(30) if n not in (4, 5, 11)],
        [n / 15 for n in range(30) if n not in (4, 5, 11)],
        0.0,
        2.0,
    ),
    "bare jpegs in a row": (raw_mjpeg, "mjpeg", list(range(30)), steady(30, 25), 0.0, 30 / 25),
    "yuv4mpeg": (anamorphic_y4m, "y4m", list(range(30)), [n * 1001 / 30000 for n in range(30)], 0.0, 30 * 1001 / 30000),
    "ivf with every second tick": (vp8_ivf, "ivf", list(range(30)), steady(30, 15), 0.0, 2.0),
}


@pytest.mark.parametrize("name", CASES)
def test_foreign_file_frames_and_times(tmp_path: Path, name: str) -> None:
    make, suffix, numbers, times_s, start_s, length_s = CASES[name]
    path = tmp_path / f"film.{suffix}"
    path.write_bytes(make())
    found = read_and_measure(path)
    assert found.numbers == numbers
    assert found.times_s == pytest.approx(times_s, abs=0.0011)
    assert found.start_s == pytest.approx(start_s, abs=0.0011)
    assert found.end_s == pytest.approx(length_s, abs=0.0011)
    assert (found.broken, found.cut_short, found.upright) == (0, "", True)


def test_camcorder_stream_with_arrival_times(tmp_path: Path) -> None:
    path = tmp_path / "a.m2ts"
    path.write_bytes(muxers.m2ts(transport(tmp_path)))
    found = read_and_measure(path)
    assert found.numbers == list(range(30))
    assert found.times_s == pytest.approx(STEADY, abs=1e-4)


def test_recordings_glued_end_to_end(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(transport(tmp_path) + transport(tmp_path) + transport(tmp_path, 20.0))
    found = read_and_measure(path)
    assert found.numbers == [*range(30)] * 3
    assert found.times_s[:60] == pytest.approx(steady(60), abs=0.0011)
    assert found.start_s == 0.0


@pytest.mark.parametrize("start_s", [95_443.7 - 1.9, 90_000.0, 12.0], ids=["wraps", "late", "early"])
def test_transport_stream_starting_anywhere(tmp_path: Path, start_s: float) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(transport(tmp_path, start_s))
    found = read_and_measure(path)
    assert found.numbers == list(range(30))
    assert found.times_s == pytest.approx(STEADY, abs=1e-4)
    assert found.start_s == 0.0 and found.end_s == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", "ts"), ("libx264", "h264"), ("libx265", "ts"), ("mpeg2video", "ts")],
)
def test_part_of_a_longer_stream(tmp_path: Path, codec: str, suffix: str) -> None:
    """What lies before its first key frame shows nothing, but was counted into its length."""
    options = {"bf": "2", "g": "20", "x264-params": "b-adapt=0", "x265-params": "log-level=0:bframes=2:keyint=20"}
    tick = Fraction(1, 30) if codec == "mpeg2video" else Fraction(1, 90_000)
    data = write(tmp_path / f"whole.{suffix}", Film(steady(90), codec=codec, tick=tick, codec_options=options))
    path = tmp_path / f"part.{suffix}"
    path.write_bytes(data.read_bytes()[data.stat().st_size // 3 // 188 * 188 :])
    found = read_and_measure(path)
    assert 20 <= len(found.numbers) < 80
    assert found.numbers == list(range(90 - len(found.numbers), 90))


def test_stated_length_ends_at_the_last_frame(tmp_path: Path) -> None:
    """NUT and some browsers state when the last frame begins, and it was given no time to be shown."""
    path = write(tmp_path / "a.nut", Film(STEADY, codec="ffv1", tick=Fraction(1, 30), pixel_format="bgr0"))
    assert read_and_measure(path).end_s == pytest.approx(1.0)


def test_matroska_without_sizes_or_durations(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", Film(steady(FRAMES), codec_options=B_FRAMES, muxer_options={"live": "1"}))
    found = read_and_measure(path)
    assert found.numbers == list(range(30))
    assert found.times_s == pytest.approx(STEADY, abs=0.0011)


def test_container_decides_the_pixel_shape(tmp_path: Path) -> None:
    avcc, samples = h264()
    data = muxers.progressive(avcc, SIZE, samples)
    entry = data.index(b"avc1") - 4
    pasp = struct.pack(">I4sII", 16, b"pasp", 2, 1)
    path = tmp_path / "a.mov"
    path.write_bytes(_grown(data, entry, pasp))
    with open_video(path) as video:
        assert next(iter(video)).size == (128, 48)


def _grown(data: bytes, entry: int, more: bytes) -> bytes:
    """Puts a box at the end of the sample entry, and lengthens every box around it."""
    out = bytearray(data)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        at = out.index(kind) - 4
        out[at : at + 4] = struct.pack(">I", struct.unpack(">I", out[at : at + 4])[0] + len(more))
    length = struct.unpack(">I", out[entry : entry + 4])[0]
    out[entry : entry + 4] = struct.pack(">I", length + len(more))
    out[entry + length : entry + length] = more
    return bytes(out)
