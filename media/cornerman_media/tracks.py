"""Which track is the video. Cover art, thumbnails and still pictures beside a film are not."""

from __future__ import annotations

from typing import Final

import av
import av.container
from av.stream import Disposition
from av.video.stream import VideoStream

from cornerman_media.errors import NoVideoError

# Members that this version of PyAV lacks are left out.
_PICTURES: Final = [
    getattr(Disposition, name)
    for name in ("attached_pic", "timed_thumbnails", "still_image")
    if hasattr(Disposition, name)
]


def is_cover(stream: VideoStream) -> bool:
    """Cover art and thumbnails count as video streams to FFmpeg, not to us."""
    return any(stream.disposition & flag for flag in _PICTURES)


def choose_video(container: av.container.InputContainer, shown: str) -> VideoStream:
    """The track to watch: one that can be decoded, marked as default, largest, in this order.

    Raises:
        NoVideoError: names the tracks that are there instead.
    """
    videos = [stream for stream in container.streams.video if not is_cover(stream)]
    if not videos:
        contents = _contents(container)
        if not contents:
            raise NoVideoError(f"{shown}: there is nothing in it that can be read: it is damaged; record it again")
        raise NoVideoError(f"{shown}: there is no video in it, only {contents}; give one with a picture")
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        raise NoVideoError(f"{shown}: this build of FFmpeg has no decoder for its video; encode it as H.264")
    chosen: VideoStream = max(decodable, key=_worth)
    return chosen


def _worth(stream: VideoStream) -> tuple[bool, int, int]:
    context = stream.codec_context
    return bool(stream.disposition & Disposition.default), context.width * context.height, -stream.index


def _contents(container: av.container.InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    if container.streams.video:
        kinds.append("a cover picture")
    return " and ".join(kinds)
