"""Pictures as people would see them, at the size that travels: scaled, turned upright, square pixels, 8-bit RGB.

Any pixel format that FFmpeg decodes is input: 10 and 16 bit, alpha (ignored), odd sizes, limited and full range.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.video.reformatter import VideoReformatter

from cornerman_capture.core import Pixels
from cornerman_capture.source_state import BrokenError
from cornerman_media.errors import PictureError
from cornerman_media.orientation import FrameOrientation
from cornerman_media.scaling import scale

MAX_ASPECT: Final = 16
"""A picture whose one side is this many times the other is refused: at 224 pixels it would be larger than 8 Mpixel."""


def scaled_size(width: int, height: int, pixel_aspect: Fraction | None, shorter_side: int) -> tuple[int, int]:
    """Width and height with the shorter side `shorter_side` and the aspect that the picture is shown with.

    Args:
        width: stored pixels.
        height: stored pixels.
        pixel_aspect: width of a pixel divided by its height; None or 0 = square.
        shorter_side: pixels.
    """
    shown = width * float(pixel_aspect) if pixel_aspect and pixel_aspect > 0 else float(width)
    if max(shown, height) > MAX_ASPECT * min(shown, height):
        raise BrokenError(
            f"the picture is {width}x{height}, more than {MAX_ASPECT} times as long as it is wide; crop it before",
            final=True,
        )
    factor = shorter_side / min(shown, height)
    return max(shorter_side, round(shown * factor)), max(shorter_side, round(height * factor))


class FrameScaler:
    """Decoded frame -> [H, W, 3] uint8 RGB, upright, shorter side as given. Not for several threads at once."""

    def __init__(self, shorter_side: int, pixel_aspect: Fraction | None = None) -> None:
        self._shorter_side = shorter_side
        self._aspect = pixel_aspect
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._uprighter = FrameOrientation()

    def rgb(self, frame: av.VideoFrame) -> Pixels:
        """The picture of a decoded frame.

        Raises:
            BrokenError: no picture can be made of it.
        """
        width, height = scaled_size(frame.width, frame.height, self._aspect, self._shorter_side)
        try:
            return self._uprighter.of(frame).apply(self._small(frame, width, height))
        except PictureError as error:
            raise BrokenError(str(error), final=True) from None

    def _small(self, frame: av.VideoFrame, width: int, height: int) -> Pixels:
        if not frame.format.is_rgb and len(frame.format.components) >= 3:
            # Scaled as YUV with whole chroma and converted when small: half the time of one step.
            frame = scale(self._scaler, frame, width, height, "yuv444p")
        pixels: Pixels = scale(self._converter, frame, width, height, "rgb24").to_ndarray()
        return pixels
