"""Converts decoded frames to the size and format of chunks: upright, square pixels, 8-bit RGB.

Accepts any pixel format that FFmpeg decodes: 10 and 16 bit, alpha (ignored), odd sizes, limited and full range.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.video.reformatter import VideoReformatter

from cornerman_capture.broken import BrokenError
from cornerman_media.errors import PictureError
from cornerman_media.orientation import FrameOrientation
from cornerman_media.scaling import believable_aspect, scale

if TYPE_CHECKING:
    from cornerman_capture.core import Pixels

MAX_ASPECT: Final = 16
"""Pictures with a larger ratio of sides are refused: at a shorter side of 224 they would exceed 8 Mpixel."""


def scaled_size(width: int, height: int, pixel_aspect: Fraction | None, shorter_side: int) -> tuple[int, int]:
    """Width and height with the given shorter side and the display aspect of the picture.

    Args:
        width: stored pixels.
        height: stored pixels.
        pixel_aspect: width of a pixel divided by its height; None or beyond belief = square.
        shorter_side: pixels.

    Raises:
        BrokenError: one side is more than `MAX_ASPECT` times the other.
    """
    shown = width * believable_aspect(pixel_aspect)
    if max(shown, height) > MAX_ASPECT * min(shown, height):
        raise BrokenError(
            f"the picture is {width}x{height}, one side more than {MAX_ASPECT} times the other; crop it first",
            final=True,
        )
    factor = shorter_side / min(shown, height)
    return max(shorter_side, round(shown * factor)), max(shorter_side, round(height * factor))


class FrameScaler:
    """Decoded frame -> [H, W, 3] uint8 RGB, upright, with the given shorter side. Not thread-safe."""

    def __init__(self, shorter_side: int, pixel_aspect: Fraction | None = None) -> None:
        self._shorter_side = shorter_side
        self.pixel_aspect = pixel_aspect
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._orientation = FrameOrientation()

    def rgb(self, frame: av.VideoFrame) -> Pixels:
        """Converts a decoded frame.

        Raises:
            BrokenError: FFmpeg cannot convert it.
        """
        width, height = scaled_size(frame.width, frame.height, self.pixel_aspect, self._shorter_side)
        try:
            return self._orientation.of(frame).apply(self._small(frame, width, height))
        except PictureError as error:
            raise BrokenError(str(error), final=True) from None

    def _small(self, frame: av.VideoFrame, width: int, height: int) -> Pixels:
        if not frame.format.is_rgb and len(frame.format.components) >= 3:
            # Scaled as YUV with full chroma and converted when small: takes half the time of one step.
            frame = scale(self._scaler, frame, width, height, "yuv444p")
        pixels: Pixels = scale(self._converter, frame, width, height, "rgb24").to_ndarray()
        return pixels
