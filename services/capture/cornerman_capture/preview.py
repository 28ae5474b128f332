"""Pictures for people: JPEGs at the source's own rate, made only while somebody watches. Apart from inference."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av

from cornerman_capture.thread_queue import ThreadQueue
from cornerman_media.errors import PictureError
from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.clock import Clock
from cornerman_shared.process.logs import get_logger

log = get_logger("display")

HELD: Final = 4
"""JPEGs held for a slow server; then the oldest goes."""

EARLY: Final = 0.7
"""Two pictures come no closer than this part of the source's frame interval, however fast a file is read."""


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """A picture for the page."""

    pts_s: float
    at_s: float  # unix seconds: when the frame was there
    jpeg: bytes


class PreviewEncoder:
    """The decoding thread shows it every frame; it makes JPEGs while `watched`.

    Args:
        clock: for the rate of files that are read as fast as possible.
        max_width: pixels.
        quality: JPEG quality, 1 to 95.
    """

    def __init__(self, clock: Clock, max_width: int, quality: int) -> None:
        self.watched = False
        self.shots: ThreadQueue[PreviewFrame] = ThreadQueue(HELD, lossless=False)
        self._clock = clock
        self._max_width, self._quality = max_width, quality
        self._maker = JpegEncoder(max_width, quality)
        self._interval_s = 0.0
        self._next_at_s = 0.0
        self._complained = False

    def tune(self, nominal_s: float, pixel_aspect: Fraction | None) -> None:
        """The source has been opened: its frame interval, seconds, and the shape of its pixels."""
        self._interval_s = nominal_s * EARLY
        self._maker = JpegEncoder(self._max_width, self._quality, pixel_aspect)

    def wants(self) -> bool:
        """Whether the next frame is to be shown."""
        if not self.watched:
            return False
        now_s = self._clock.monotonic_s()
        if now_s < self._next_at_s:
            return False
        self._next_at_s = now_s + self._interval_s
        return True

    def show(self, frame: av.VideoFrame, pts_s: float) -> None:
        """Makes a JPEG of the frame. One that cannot be made is left out: people come after inference."""
        try:
            jpeg = self._maker.jpeg(frame)
        except PictureError as error:
            if not self._complained:
                log.warning("picture_not_shown", error=str(error))
            self._complained = True
            return
        self.shots.offer(PreviewFrame(pts_s, self._clock.now_s(), jpeg))
