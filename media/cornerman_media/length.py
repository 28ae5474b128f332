"""Length of a video without decoding: reads its packets and repairs their timestamps like the reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Final

import av
import av.error
import av.stream

from cornerman_media.errors import MediaError
from cornerman_media.info import VideoInfo, describe
from cornerman_media.opening import READ_AGAIN, MediaSource, OpenOptions, local_path, open_container, shown_name
from cornerman_media.stamps import DECODING_TIMES
from cornerman_media.timestamps import MAX_JUMP_S, TimeRepair
from cornerman_media.tracks import choose_video

SCAN_MAX_BYTES: Final = 1 << 31
"""A larger file is not read to learn its length; the container is believed."""


@dataclass(frozen=True, slots=True)
class VideoLength:
    """Result of a pass over the packets.

    Args:
        frames: packets with a frame that can be shown.
        length_s: from the start of the first frame to the end of the last, seconds.
    """

    frames: int
    length_s: float


@dataclass(frozen=True, slots=True)
class _Stamp:
    decode_s: float | None
    show_s: float | None
    duration_s: float
    is_key: bool


def length_s(source: MediaSource) -> float | None:
    """Length of a video, seconds: exact for files of this machine, as stated for others; None = unknown or unreadable.

    Audio does not count: a film whose sound goes on after the picture ends with the picture.
    """
    path = local_path(source)
    try:
        if path is not None and path.is_file() and path.stat().st_size <= SCAN_MAX_BYTES:
            return measure(path).length_s
        return _stated_s(source)
    except (MediaError, OSError):
        return None


def measure(path: Path) -> VideoLength:
    """Counts the frames of a file and adds up their times.

    Raises:
        UnreadableError: it cannot be opened.
        NoVideoError: it holds no video.
    """
    options = OpenOptions()
    with open_container(path, options) as container:
        stream = choose_video(container, shown_name(path, options))
        info = describe(container, stream)
        if hasattr(av.stream, "Discard"):
            for other in container.streams:
                if other is not stream:
                    other.discard = av.stream.Discard.all
        by_dts = info.container in DECODING_TIMES and stream.codec_context.has_b_frames > 0
        return _added(_decodable(list(_stamps(container, stream, by_dts, info.stores_durations))), info)


def _stated_s(source: MediaSource) -> float | None:
    options = OpenOptions()
    with open_container(source, options) as container:
        info = describe(container, choose_video(container, shown_name(source, options)))
        return info.stated_s or info.duration_s


def _stamps(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, by_dts: bool, durations: bool
) -> Iterator[_Stamp]:
    seconds = float(stream.time_base or 0)
    failed = 0
    packets = container.demux(stream)
    while failed < READ_AGAIN:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, ValueError):
            failed += 1
            packets = container.demux(stream)
            continue
        except IndexError:  # PyAV's own, at the end of a file in which another track appeared on the way
            return
        if packet is None:
            return
        failed = 0
        if packet.size == 0 or packet.is_discard:
            continue
        dts, pts = packet.dts, packet.dts if by_dts else packet.pts
        yield _Stamp(
            None if dts is None else dts * seconds,
            None if pts is None else pts * seconds,
            (packet.duration or 0) * seconds if durations else 0.0,
            packet.is_keyframe,
        )


def _decodable(stamps: list[_Stamp]) -> list[_Stamp]:
    """Those that give a picture: what was cut from a longer stream shows nothing before its first key frame."""
    first = next((at for at, stamp in enumerate(stamps) if stamp.is_key), 0)
    if first == 0:
        return stamps
    key, rest = stamps[first], stamps[first + 1 :]
    # Pictures that follow it in the file and are shown before it refer to what is missing.
    late = dropwhile(lambda one: _is_before(one.show_s, key.show_s), rest)
    return [key, *late]


def _added(stamps: list[_Stamp], info: VideoInfo) -> VideoLength:
    times = TimeRepair(info.nominal_s)
    last_duration_s = 0.0
    for stamp in _in_order(stamps):
        times.stamp(stamp.show_s, stamp.duration_s)
        last_duration_s = stamp.duration_s
    if not stamps:
        return VideoLength(0, 0.0)
    return VideoLength(len(stamps), info.end_s(times.last_s, last_duration_s, times.interval_s))


def _is_before(one_s: float | None, other_s: float | None) -> bool:
    return one_s is not None and other_s is not None and one_s < other_s


def _in_order(stamps: list[_Stamp]) -> Iterator[_Stamp]:
    """Decoding order -> presentation order, piece by piece between resets of the clock."""
    piece: list[_Stamp] = []
    before_s: float | None = None
    for stamp in stamps:
        now_s = stamp.decode_s
        if before_s is not None and now_s is not None and not -1e-9 <= now_s - before_s <= MAX_JUMP_S:
            yield from _sorted(piece)
            piece = []
        piece.append(stamp)
        before_s = now_s if now_s is not None else before_s
    yield from _sorted(piece)


def _sorted(piece: list[_Stamp]) -> list[_Stamp]:
    if any(stamp.show_s is None for stamp in piece):
        return piece
    return sorted(piece, key=lambda stamp: stamp.show_s or 0.0)
