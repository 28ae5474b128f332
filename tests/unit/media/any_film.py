"""Random films: container, codec, rate, times, turn, shape of pixels and tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import strategies as st

from tests.unit.media.films import Film

MS = Fraction(1, 1000)
RATES = [
    Fraction(5),
    Fraction(10),
    Fraction(25, 2),
    Fraction(24000, 1001),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(50),
    Fraction(60),
]
H264 = ("libx264", "yuv420p", {"bf": "0"})
H264_B = ("libx264", "yuv420p", {"bf": "2", "x264-params": "b-adapt=0:scenecut=0"})
H264_10 = ("libx264", "yuv420p10le", {"bf": "1"})
H264_444 = ("libx264", "yuv444p", {"bf": "0"})
MPEG4 = ("mpeg4", "yuv420p", {"q": "2", "qmin": "2", "qmax": "2"})
MPEG2 = ("mpeg2video", "yuv420p", {"qmin": "2", "qmax": "2", "bf": "2"})
MJPEG = ("mjpeg", "yuvj420p", {"qmin": "2", "qmax": "2"})
VP8 = ("libvpx", "yuv420p", {"b": "3M", "deadline": "realtime", "cpu-used": "8"})
VP9 = ("libvpx-vp9", "yuv420p", {"b": "3M", "deadline": "realtime", "cpu-used": "8"})
FFV1 = ("ffv1", "yuv422p", {})


@dataclass(frozen=True)
class Kind:
    """What a container can hold.

    Args:
        codecs: encoder, pixel format, its options.
        tick: its clock; None = the frame rate's.
        uneven: whether frames may come at any time.
        turns: whether it stores a display matrix.
        zero_based: whether its clock starts at 0.
        audio: codec of its sound; "" = none is tried.
    """

    codecs: list[tuple[str, str, dict[str, str]]]
    tick: Fraction | None
    uneven: bool
    turns: bool
    zero_based: bool
    audio: str


KINDS = {
    "mp4": Kind([H264, H264_B, H264_10, H264_444, MPEG4, VP9], Fraction(1, 90_000), True, True, True, "aac"),
    "mov": Kind([H264, H264_B, MPEG4, MJPEG], Fraction(1, 90_000), True, True, True, "pcm_s16le"),
    "mkv": Kind([H264, H264_B, H264_10, MPEG4, FFV1, VP8], MS, True, True, True, "pcm_s16le"),
    "webm": Kind([VP8, VP9], MS, True, False, True, ""),
    "flv": Kind([H264, H264_B], MS, True, False, False, "aac"),
    "ts": Kind([H264, H264_B, MPEG2], Fraction(1, 90_000), True, False, False, "aac"),
    "avi": Kind([H264, H264_B, MPEG4, MJPEG], None, False, False, True, "pcm_s16le"),
}


@dataclass(frozen=True)
class Case:
    """A film and where it goes."""

    suffix: str
    film: Film
    start_s: float


@st.composite
def cases(draw: st.DrawFn) -> Case:
    suffix = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[suffix]
    codec, pixel_format, options = draw(st.sampled_from(kind.codecs))
    rate = draw(
        st.sampled_from(RATES if codec != "mpeg2video" else [Fraction(25), Fraction(30000, 1001), Fraction(50)])
    )
    tick = 1 / rate if kind.tick is None or codec == "mpeg2video" else kind.tick
    if codec == "mpeg4" and suffix != "avi":
        tick = Fraction(1, 30_000) if suffix in ("mp4", "mov") else MS
    count = draw(st.integers(2 if suffix != "ts" else 6, 12))  # FFmpeg knows no stream of under five packets
    uneven = kind.uneven and codec != "mpeg2video" and draw(st.booleans())
    steps = [draw(st.floats(0.004, 1.2)) if uneven else float(1 / rate) for _ in range(count - 1)]
    begin_s = draw(st.sampled_from([0.0, 0.0, 0.5, 3.0])) if suffix not in ("avi",) else 0.0
    times = [begin_s]
    for step in steps:
        times.append(times[-1] + step)
    rounded = [float(round(at / tick) * tick) for at in times]
    film = Film(
        rounded,
        size=draw(st.sampled_from([(64, 48), (48, 64), (80, 48), (64, 64)])),
        codec=codec,
        pixel_format=pixel_format,
        rate=rate,
        tick=tick,
        codec_options=options,
    )
    if kind.turns and codec != "mjpeg":
        film = replace(film, turn=draw(st.sampled_from([0, 0, 90, 180, 270])))
    if codec in ("libx264", "mpeg4") and suffix in ("mp4", "mov", "mkv"):
        film = replace(film, pixel_aspect=draw(st.sampled_from([None, Fraction(16, 11), Fraction(2), Fraction(4, 3)])))
    sound = bool(kind.audio) and draw(st.booleans())
    if sound:
        film = replace(film, audio_s=(0.0, draw(st.sampled_from([0.5, 2.0, 6.0]))), audio_codec=kind.audio)
    # Where the clock begins anywhere, a player counts from the first packet: the sound's, if there is any.
    starts = begin_s if kind.zero_based or sound else 0.0
    return Case(suffix, film, starts)


def shown(film: Film) -> tuple[int, int]:
    width, height = film.size
    width = round(width * float(film.pixel_aspect or 1))
    return (height, width) if film.turn % 180 else (width, height)
