"""Writes a film again, frame by frame, with something drawn on some frames: the same times, the same sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cornerman_media.audio import AudioCopy
from cornerman_media.errors import WriteError
from cornerman_media.info import VideoInfo
from cornerman_media.opening import OpenOptions
from cornerman_media.reader import MediaFrame, VideoReader, open_video
from cornerman_media.writer import VideoWriter, WriteOptions

Draw: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""[H, W, 3] RGB, upright -> the same with something on it."""

_MAX_DENOMINATOR: Final = 1001


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Result of `rewrite`.

    Args:
        frames: frames in the new file.
        length_s: from the start of its first frame to the end of its last, seconds.
        start_s: where a player of the new file shows media time 0: add it to the times of captions.
        size: width and height of the new file, pixels.
        notes: faults of the source that were got over, and parts that the new file lacks.
    """

    frames: int
    length_s: float
    start_s: float
    size: tuple[int, int]
    notes: tuple[str, ...] = field(default_factory=tuple)


def rewrite(
    source: Path,
    target: Path,
    draw: Callable[[float], Draw | None],
    *,
    codec_options: Mapping[str, str] | None = None,
    shown: str = "",
) -> Rewritten:
    """Writes `source` upright, with square pixels and what `draw` draws, its sound copied.

    Args:
        source: a video file.
        target: the new file; its suffix says the format. It appears only when it is whole.
        draw: asked with each frame's media time, seconds: what to draw on it; None = nothing.
        codec_options: for the encoder.
        shown: the source's name in messages.

    Raises:
        UnreadableError, NoVideoError: of the source.
        WriteError: the target cannot be written, or is the source.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise WriteError(f"{target} is the video itself; give another name")
    with open_video(source, OpenOptions(shown=shown)) as video, AudioCopy(source) as sound:
        frames = iter(video)
        frame = next(frames)
        options = WriteOptions(
            rate=Fraction(1 / video.info.nominal_s).limit_denominator(_MAX_DENOMINATOR),
            time_base=time_base_of(video.info),
            # With B-frames, MP4 stores steps in decoding order, and the last frame's length gets lost.
            codec_options={"bf": "0", **(codec_options or {})},
            start_s=video.start_s,
        )
        with VideoWriter(target, options, sound) as writer:
            size = _even(frame.size)
            for following in frames:
                _copy(frame, draw, writer, size, frame.duration_s)
                frame = following
            # Only now is it known how long the last frame is shown: many formats do not store it, or store it wrongly.
            _copy(frame, draw, writer, size, max(0.0, video.end_s - frame.time_s))
        return Rewritten(writer.frames, video.end_s, video.start_s, size, _notes(video, sound))


def time_base_of(info: VideoInfo) -> Fraction | None:
    """The source's own tick, so that times are copied exactly; None where it has no clock of its own."""
    return info.time_base if info.has_clock else None


def _copy(
    frame: MediaFrame, draw: Callable[[float], Draw | None], writer: VideoWriter, size: tuple[int, int], lasts_s: float
) -> None:
    paint = draw(frame.time_s)
    shape = frame.size
    # The first frame's size is the film's; a later one keeps its own shape, and the writer makes it fit.
    wanted = size if _even(shape) == size else shape
    if paint is not None:
        writer.write(paint(frame.rgb(wanted)), frame.time_s, lasts_s)
    else:
        writer.write(frame.upright(wanted), frame.time_s, lasts_s)


def _notes(video: VideoReader, sound: AudioCopy) -> tuple[str, ...]:
    return tuple(note for note in (video.note, video.cut_short(), sound.note) if note)


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)
