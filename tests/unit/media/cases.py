"""Inputs that failed on 2026-11-25 in `annotate` or `run`, made small, and what is right for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.unit.media.films import Film, jpeg, steady, write

WRAP_S = 2**33 / 90_000
B_FRAMES = {"bf": "2", "x264-params": "b-adapt=0:scenecut=0"}


@dataclass(frozen=True)
class Right:
    """What is right for one input."""

    times_s: list[float]
    length_s: float
    start_s: float = 0.0
    size: tuple[int, int] = (64, 48)
    numbers: list[int] = field(default_factory=list)
    audio_s: float = 0.0


def dropped(frames: int) -> list[float]:
    """A tenth of the frames is missing, the first two among them."""
    return [at for index, at in enumerate(steady(frames)) if index > 1 and index % 10 != 5]


def upright_phone(folder: Path) -> Path:
    return write(folder / "rot90.mp4", Film(steady(30), size=(96, 64), turn=90))


def wide_pixels(folder: Path) -> Path:
    return write(
        folder / "sar.mp4", Film(steady(20, 25), size=(80, 64), rate=Fraction(25), pixel_aspect=Fraction(16, 11))
    )


def missing_frames(folder: Path) -> Path:
    return write(folder / "drop10.mp4", Film(dropped(60), codec_options=B_FRAMES))


def no_presentation_times(folder: Path) -> Path:
    return write(folder / "nopts.avi", Film(steady(60), codec_options=B_FRAMES, tick=Fraction(1, 30)))


def raw_stream(folder: Path) -> Path:
    return write(folder / "bframes.h264", Film(steady(60), codec_options=B_FRAMES, tick=Fraction(1, 30)), format="h264")


def size_change(folder: Path) -> Path:
    path = folder / "reschange.ts"
    large = write(folder / "b.ts", Film(steady(20), size=(128, 96))).read_bytes()
    path.write_bytes(write(folder / "a.ts", Film(steady(20))).read_bytes() + large)
    return path


def wrapping_clock(folder: Path) -> Path:
    film = Film(steady(60, 30, WRAP_S - 2.5), muxer_options={"output_ts_offset": "0", "mpegts_copyts": "1"})
    return write(folder / "wrap.ts", film)


def audio_first(folder: Path) -> Path:
    return write(folder / "audiofirst.mp4", Film(steady(30, 30, 5.0), audio_s=(0.0, 7.0)))


def audio_longer(folder: Path) -> Path:
    return write(folder / "audiolong.mp4", Film(steady(30), audio_s=(0.0, 8.0)))


def time_lapse(folder: Path) -> Path:
    film = Film(steady(15, 0.25), rate=Fraction(1, 4), tick=Fraction(1, 16_384))
    return write(folder / "fps025.mp4", film)


def cover_art(folder: Path) -> Path:
    path = folder / "cover.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        picture = container.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*sound.encode(frame), *sound.encode(None)])
        packet = av.Packet(jpeg(0))
        packet.stream, packet.pts, packet.dts, packet.time_base = picture, 0, 0, Fraction(1, 1)
        container.mux(packet)
    return path


CASES: dict[str, tuple[Callable[[Path], Path], Right]] = {
    "rot90.mp4": (upright_phone, Right(steady(30), 1.0, size=(64, 96))),
    "sar.mp4": (wide_pixels, Right(steady(20, 25), 0.8, size=(116, 64))),
    "drop10.mp4": (missing_frames, Right([at - 2 / 30 for at in dropped(60)], 58 / 30, start_s=2 / 30)),
    "nopts.avi": (no_presentation_times, Right(steady(60), 2.0)),
    "bframes.h264": (raw_stream, Right(steady(60), 2.0)),
    "reschange.ts": (size_change, Right(steady(40), 40 / 30, numbers=[*range(20)] * 2)),
    "wrap.ts": (wrapping_clock, Right(steady(60), 2.0)),
    "audiofirst.mp4": (audio_first, Right(steady(30), 1.0, start_s=5.0, audio_s=7.0)),
    "audiolong.mp4": (audio_longer, Right(steady(30), 1.0, audio_s=8.0)),
    "fps025.mp4": (time_lapse, Right(steady(15, 0.25), 60.0)),
}
