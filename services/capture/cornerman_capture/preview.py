"""Encodes preview JPEGs at the source's frame rate while a viewer is connected. Independent of inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cornerman_capture.thread_queue import ThreadQueue
from cornerman_media.errors import PictureError
from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from fractions import Fraction

    import av

    from cornerman_shared.clock import Clock

log = get_logger("display")

HELD: Final = 4
"""JPEGs held for a slow server; a full queue drops the oldest."""

MIN_INTERVAL: Final = 0.7
"""Minimum time between two previews, in frame intervals of the source; limits files that are read fast."""


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """One preview picture.

    Attributes:
        pts_s: media time, seconds.
        at_s: when it was encoded, unix seconds.
        jpeg: the picture.
    """

    pts_s: float
    at_s: float
    jpeg: bytes


class PreviewEncoder:
    """Encodes frames of the decoding thread as JPEGs while `enabled`.

    Args:
        clock: limits the rate of files that are read as fast as possible.
        max_width: pixels.
        quality: JPEG quality, 1 to 95.

    Attributes:
        enabled: whether a viewer is connected.
        frames: encoded previews.
    """

    def __init__(self, clock: Clock, max_width: int, quality: int) -> None:
        self.enabled = False
        self.frames: ThreadQueue[PreviewFrame] = ThreadQueue(HELD, lossless=False)
        self._clock = clock
        self._max_width, self._quality = max_width, quality
        self._jpeg = JpegEncoder(max_width, quality)
        self._interval_s = 0.0
        self._next_at_s = 0.0
        self._error_logged = False

    def configure(self, nominal_s: float, pixel_aspect: Fraction | None) -> None:
        """Sets the frame interval, seconds, and pixel aspect of the source that has been opened."""
        self._interval_s = nominal_s * MIN_INTERVAL
        self._jpeg = JpegEncoder(self._max_width, self._quality, pixel_aspect)

    def wants(self) -> bool:
        """Whether to encode the next frame."""
        if not self.enabled:
            return False
        now_s = self._clock.monotonic_s()
        if now_s < self._next_at_s:
            return False
        # Counted from now, not from the last due time: after a pause there is no burst.
        self._next_at_s = now_s + self._interval_s
        return True

    def encode(self, frame: av.VideoFrame, pts_s: float) -> None:
        """Encodes a frame and queues it. A frame that cannot be encoded is skipped; the first one is logged."""
        try:
            jpeg = self._jpeg.jpeg(frame)
        except PictureError as error:
            if not self._error_logged:
                log.warning("picture_not_shown", error=str(error))
            self._error_logged = True
            return
        self.frames.put(PreviewFrame(pts_s, self._clock.now_s(), jpeg))
