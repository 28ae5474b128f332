"""Decoded frames as people would see them: upright, square pixels, whole pictures, 8 bit, at any size."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from cornerman_media.interlacing import progressive
from cornerman_media.orientation import UPRIGHT, FrameOrientation
from cornerman_media.scaling import believable_aspect, scale


class UprightPictures:
    """The frames of one stream, upright and with square pixels. Not for several threads at once.

    Args:
        pixel_aspect: width of a pixel divided by its height; None = square.
    """

    def __init__(self, pixel_aspect: Fraction | None = None) -> None:
        self._aspect = believable_aspect(pixel_aspect)
        self._orientations = FrameOrientation()
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._turner = VideoReformatter()

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height as shown, pixels: the height is kept, and the width follows the pixels' shape."""
        width, height = self._shown(frame)
        return (height, width) if self._orientations.of(frame).transpose else (width, height)

    def rgb(self, frame: av.VideoFrame, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """[H, W, 3] uint8 RGB, contiguous.

        Args:
            frame: as decoded.
            size: (width, height) of the result, upright; None = as shown.

        Raises:
            PictureError: no picture can be made of it.
        """
        orientation = self._orientations.of(frame)
        width, height = size or self.size(frame)
        if orientation.transpose:
            width, height = height, width
        frame = progressive(frame)
        shrinks = width * height < frame.width * frame.height
        if shrinks and not frame.format.is_rgb and len(frame.format.components) >= 3:
            # Scaled as YUV with whole chroma and converted when small: half the time of one step.
            frame = scale(self._scaler, frame, width, height, "yuv444p")
        pixels = scale(self._converter, frame, width, height, "rgb24").to_ndarray()
        return np.ascontiguousarray(orientation.apply(pixels))

    def frame(self, frame: av.VideoFrame, size: tuple[int, int], form: str = "yuv420p") -> av.VideoFrame:
        """The same as a frame in a pixel format; without a detour over RGB when it is stored upright.

        Raises:
            PictureError: no picture can be made of it.
        """
        if self._orientations.of(frame) == UPRIGHT:
            return scale(self._scaler, progressive(frame), *size, form)
        upright = av.VideoFrame.from_ndarray(self.rgb(frame, size), format="rgb24")
        return scale(self._turner, upright, *size, form)

    def _shown(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height with square pixels, as stored, not yet upright."""
        return max(1, round(frame.width * self._aspect)), frame.height
