"""What a container states about its video, with implausible values replaced."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import av.container
from av.video.stream import VideoStream

from cornerman_media.stamps import DECODING_TIMES
from cornerman_media.timestamps import MIN_NOMINAL_S, NOMINAL_S

_MIN_GUESS_S: Final = 1 / 240
"""A guessed frame rate beyond this is the container's clock, not the video's rate."""

_MAX_GUESS_S: Final = 600.0

ZERO_BASED: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "ogg"})
"""Formats whose own clock starts at 0. The others begin anywhere, and players count from the first packet."""

FAR_START_S: Final = 60.0
"""A zero-based file that begins later than this was cut from a longer one, and is counted from its first packet."""

_NEAR: Final = 1.5
"""The stated length is the true one if it lies within so many durations of the last frame."""

_BEGINS: Final = 0.1
"""A stated length within so many intervals of the last frame's time leaves it no time to be shown."""

_STORES_DURATIONS: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
MATROSKA: Final = "matroska,webm"
_AVI: Final = "avi"
STATED_BY_TRACK: Final = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", _AVI})
_FLV: Final = "flv"
_ESTIMATED: Final = frozenset({"mpegts", "mpeg", "mp3", "aac"})
"""Formats whose duration FFmpeg estimates from what it finds, so that it says nothing of what is missing."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video track.

    Args:
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the codec.
        width: stored pixels, before orientation.
        height: stored pixels.
        pixel_aspect: width of a pixel divided by its height; None = square.
        nominal_s: usual time between two frames, seconds.
        has_rate: whether `nominal_s` is the container's word; else it is assumed.
        zero_s: raw timestamp that a player shows as 0, seconds.
        stated_s: length of this track as the container states it, seconds; None = it does not.
        duration_s: length of the whole as the container states it, seconds; None = it does not.
        audio: codecs of the audio tracks.
        time_base: the track's tick, seconds.
        has_clock: whether its frames have timestamps.
    """

    container: str
    codec: str
    width: int
    height: int
    pixel_aspect: Fraction | None
    nominal_s: float
    has_rate: bool
    zero_s: float
    stated_s: float | None
    duration_s: float | None
    audio: tuple[str, ...]
    time_base: Fraction
    has_clock: bool

    @property
    def stores_durations(self) -> bool:
        """Whether the format stores how long a frame is shown; the others leave it to the next frame."""
        return self.container in _STORES_DURATIONS

    def end_s(self, last_s: float, said_s: float, interval_s: float) -> float:
        """When the last frame ends, seconds from the first.

        Args:
            last_s: media time of the last frame.
            said_s: how long the container shows it; 0 = unknown. With B-frames MP4 stores steps in decoding order,
                so that the track's own length is more to be believed when it is near.
            interval_s: usual time between two frames.
        """
        lasts_s = said_s or interval_s
        # Some writers state when the last frame begins.
        least_s = 0.0 if said_s else _BEGINS * interval_s
        if self.stated_s is not None and least_s < self.stated_s - last_s <= _NEAR * max(lasts_s, interval_s):
            return self.stated_s
        return last_s + lasts_s

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return 1 / self.nominal_s


def describe(container: av.container.InputContainer, stream: VideoStream) -> VideoInfo:
    """Reads the container's statements after it was opened."""
    name = container.format.name
    rate = believable_rate(stream)
    duration = container.duration
    return VideoInfo(
        container=name,
        codec=stream.codec_context.name,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        pixel_aspect=stream.sample_aspect_ratio or None,
        nominal_s=float(1 / rate) if rate else NOMINAL_S,
        has_rate=rate is not None,
        zero_s=_zero_s(container),
        stated_s=_stated_s(container, stream),
        duration_s=duration / av.time_base if duration and duration > 0 else None,
        audio=tuple(sound.codec_context.name for sound in container.streams.audio if sound.codec_context),
        time_base=Fraction(stream.time_base or 1),
        has_clock=stream.start_time is not None and name not in DECODING_TIMES,
    )


def believable_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second: FFmpeg's guess, which reads the codec's own words, else the average; None = neither is sane."""
    for rate in (stream.guessed_rate, stream.average_rate):
        if rate and rate > 0 and _MIN_GUESS_S <= 1 / rate <= _MAX_GUESS_S:
            return Fraction(rate)
    rate = stream.average_rate
    return Fraction(rate) if rate and rate > 0 and MIN_NOMINAL_S <= 1 / rate <= _MAX_GUESS_S else None


def _zero_s(container: av.container.InputContainer) -> float:
    start = container.start_time
    start_s = start / av.time_base if start is not None else 0.0
    return 0.0 if container.format.name in ZERO_BASED and start_s < FAR_START_S else start_s


def _stated_s(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    name = container.format.name
    if name in _ESTIMATED:
        return None
    if stream.time_base and name == _AVI and stream.frames:
        return float(stream.frames * stream.time_base)  # FFmpeg shortens the duration of a file that was cut
    if stream.time_base and name in STATED_BY_TRACK and stream.duration:
        return float(stream.duration * stream.time_base)
    tagged_s = _tagged_s(stream.metadata)
    if tagged_s is not None:
        start = stream.start_time
        return tagged_s - float(start * stream.time_base) if start and stream.time_base else tagged_s
    others = [one for one in container.streams if one is not stream and one.type in ("audio", "video")]
    if others or not container.duration or container.duration <= 0:
        return None
    start_s = max(0.0, float((container.start_time or 0) / av.time_base))
    whole_s = float(container.duration / av.time_base)
    # Matroska's and FLV's durations are counted from 0, those of the others from the first packet.
    return whole_s - start_s if name in ZERO_BASED or name == _FLV else whole_s


def _tagged_s(tags: dict[str, str]) -> float | None:
    """Matroska's `DURATION` tag of a track, as FFmpeg and mkvmerge write it: HH:MM:SS.fraction."""
    for name, text in tags.items():
        if name.upper().startswith("DURATION"):
            parts = text.split(":")
            try:
                hours, minutes, seconds = (float(part) for part in parts)
            except ValueError:
                continue
            return hours * 3600 + minutes * 60 + seconds
    return None
