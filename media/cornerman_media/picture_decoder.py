"""Single JPEG and WebP pictures as frames: from browsers that send them, and from MJPEG cameras."""

from __future__ import annotations

from typing import Final

import av
import av.error

MAX_PIXELS: Final = 64_000_000
"""A picture of more pixels is refused by its decoder, before memory is given to it."""


def decode_picture(body: bytes, max_pixels: int = MAX_PIXELS) -> av.VideoFrame | None:
    """A JPEG or WebP as a frame; None when it is neither, damaged throughout, or larger than `max_pixels`."""
    # A decoder each time: one that has met a broken picture may hold back the next.
    decoder = av.CodecContext.create(_codec_of(body), "r")
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(max_pixels)}
    try:
        frames = [*decoder.decode(av.Packet(body)), *decoder.decode(None)]
    except (av.error.FFmpegError, ValueError):
        return None
    return frames[0] if frames else None


def _codec_of(body: bytes) -> str:
    """WebP is known by its RIFF header (RFC 9649); the rest is taken for JPEG, whose decoder says when it is not."""
    return "webp" if body[:4] == b"RIFF" and body[8:12] == b"WEBP" else "mjpeg"
