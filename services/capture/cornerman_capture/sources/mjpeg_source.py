"""MJPEG cameras over HTTP: pictures without times, so that each is timed by its arrival."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import av

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.base import DecodedFrame, StreamInfo
from cornerman_media.errors import StreamLostError
from cornerman_media.opening import undecodable
from cornerman_media.picture_decoder import MAX_PIXELS, decode_picture

if TYPE_CHECKING:
    from cornerman_capture.sources.base import Interrupted
    from cornerman_media.picture_stream import PictureStream


UNDECODABLE: Final = 24
"""So many sampled pictures in a row that cannot be decoded mean that nothing more will come of it."""


class MjpegSource:
    """An open MJPEG camera.

    Args:
        stream: gives its pictures.
        max_pixels: larger ones are not decoded.
    """

    def __init__(self, stream: PictureStream, max_pixels: int = MAX_PIXELS) -> None:
        self._stream = stream
        self._max_pixels = max_pixels
        self._undecodable = 0
        self._in_a_row = 0
        self.info = StreamInfo(live=True)

    @property
    def note(self) -> str:
        """How many pictures were skipped, for users."""
        broken = self._undecodable + self._stream.splitter.broken
        return f"{broken} broken pictures were skipped" if broken else ""

    def cut_short(self) -> str:
        """A camera has no end."""
        return ""

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """See `FrameSource.frames`."""
        try:
            for picture in self._stream.pictures(interrupted):
                yield DecodedFrame(time.monotonic(), partial(self._decode, picture))
        except StreamLostError as error:
            raise BrokenError(str(error), final=False, fault="broke_off") from None

    def close(self) -> None:
        """Closes the connection."""
        self._stream.close()

    def _decode(self, picture: bytes) -> av.VideoFrame | None:
        frame = decode_picture(picture, self._max_pixels)
        if frame is not None:
            self._in_a_row = 0
            return frame
        self._undecodable += 1
        self._in_a_row += 1
        if self._in_a_row >= UNDECODABLE:
            what = f"{self._in_a_row} pictures in a row cannot be decoded"
            raise BrokenError(f"{self._stream.shown}: {what}: {undecodable(self._max_pixels)}", final=False)
        return None
