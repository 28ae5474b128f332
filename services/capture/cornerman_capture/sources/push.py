"""`push://ID`: JPEG or WebP frames that a browser sends through the gateway. Knows no bus: an `Inbox` is filled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Final

import av
import av.error

from cornerman_capture.sources.base import DecodedFrame, Interrupted, StreamInfo

INBOX_FRAMES: Final = 8
"""Frames held for a decoder that is behind; then the oldest goes."""

POLL_S: Final = 0.1
MAX_PIXELS: Final = 64_000_000


class Inbox:
    """Between whoever receives pushed frames and the thread that decodes them; newest wins."""

    def __init__(self) -> None:
        self._held: deque[tuple[float | None, bytes]] = deque(maxlen=INBOX_FRAMES)
        self._filled = threading.Condition()

    def put(self, pts_s: float | None, picture: bytes) -> None:
        with self._filled:
            self._held.append((pts_s, picture))
            self._filled.notify()

    def get(self, wait_s: float) -> tuple[float | None, bytes] | None:
        """The oldest held; None when nothing comes within `wait_s`."""
        with self._filled:
            if not self._held:
                self._filled.wait(wait_s)
            return self._held.popleft() if self._held else None


class PushSource:
    """Frames from an inbox. It is open at once, and never ends by itself: a browser that is silent may come back."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._broken = 0
        self.traits = StreamInfo(live=True)

    @property
    def note(self) -> str:
        return f"{self._broken} pictures were neither JPEG nor WebP" if self._broken else ""

    def pictures(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        while not interrupted():
            item = self._inbox.get(POLL_S)
            if item is not None:
                pts_s, body = item
                yield DecodedFrame(pts_s, partial(self._decode, body))

    def close(self) -> None:
        """Nothing is held."""

    def _decode(self, body: bytes) -> av.VideoFrame | None:
        # A decoder each time: one that has met a broken picture may hold back the next.
        decoder = av.CodecContext.create(_codec_of(body), "r")
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(MAX_PIXELS)}
        try:
            frames = [*decoder.decode(av.Packet(body)), *decoder.decode(None)]
        except (av.error.FFmpegError, ValueError):
            frames = []
        if not frames:
            self._broken += 1
            return None
        return frames[0]


def _codec_of(body: bytes) -> str:
    """WebP is known by its RIFF header (RFC 9649); the rest is taken for JPEG, whose decoder says when it is not."""
    return "webp" if body[:4] == b"RIFF" and body[8:12] == b"WEBP" else "mjpeg"
