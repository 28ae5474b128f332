"""`push://ID`: JPEG or WebP frames that a browser sends through the gateway. Reads an `Inbox`, not the bus."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from cornerman_capture.sources.base import DecodedFrame, Interrupted, StreamInfo
from cornerman_media.picture_decoder import decode_picture

if TYPE_CHECKING:
    import av

INBOX_FRAMES: Final = 8
"""Frames held for a slow decoder; a full inbox drops the oldest."""

POLL_S: Final = 0.1


class Inbox:
    """Queue of pushed frames from the event loop to the decoding thread; a full one drops its oldest frame."""

    def __init__(self) -> None:
        self._held: deque[tuple[float | None, bytes]] = deque(maxlen=INBOX_FRAMES)
        self._filled = threading.Condition()

    def put(self, pts_s: float | None, picture: bytes) -> None:
        """Adds a frame with its media time, seconds."""
        with self._filled:
            self._held.append((pts_s, picture))
            self._filled.notify()

    def get(self, wait_s: float) -> tuple[float | None, bytes] | None:
        """The oldest frame; None if none arrives within `wait_s` seconds."""
        with self._filled:
            if not self._held:
                self._filled.wait(wait_s)
            return self._held.popleft() if self._held else None


class PushSource:
    """Frames of an inbox. Never ends by itself, because a silent browser may send again."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._broken = 0
        self.info = StreamInfo(live=True)

    @property
    def note(self) -> str:
        return f"{self._broken} pictures were neither JPEG nor WebP" if self._broken else ""

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """See `FrameSource.frames`."""
        while not interrupted():
            item = self._inbox.get(POLL_S)
            if item is not None:
                pts_s, body = item
                yield DecodedFrame(pts_s, partial(self._decode, body))

    def cut_short(self) -> str:
        """Pushed frames have no end."""
        return ""

    def close(self) -> None:
        """Does nothing: the inbox belongs to the caller."""

    def _decode(self, body: bytes) -> av.VideoFrame | None:
        frame = decode_picture(body)
        self._broken += frame is None
        return frame
