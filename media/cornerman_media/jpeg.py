"""Frames as JPEG: for the page, for cameras over WebRTC, for servers that take pictures."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from cornerman_media.errors import PictureError
from cornerman_media.orientation import UPRIGHT, FrameOrientation
from cornerman_media.scaling import believable_aspect, scale


class JpegEncoder:
    """Decoded frame -> JPEG, upright, at most `max_width` wide. Not for several threads at once.

    Args:
        max_width: pixels.
        quality: 1 to 95, 95 = best.
        pixel_aspect: width of a pixel divided by its height; None = square.
    """

    def __init__(self, max_width: int, quality: int, pixel_aspect: Fraction | None = None) -> None:
        self._max_width = max_width
        self._quantizer = quantizer_of(quality)
        self._aspect = believable_aspect(pixel_aspect)
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._orientations = FrameOrientation()
        self._made = 0
        self._encoder: av.VideoCodecContext | None = None

    def jpeg(self, frame: av.VideoFrame) -> bytes:
        """The picture of a decoded frame.

        Raises:
            PictureError: no picture can be made of it.
        """
        upright = self._orientations.of(frame)
        shown = frame.width * self._aspect
        stored_limit = self._max_width * (shown / frame.height if upright.transpose else 1.0)
        shrink = min(1.0, stored_limit / shown)
        width, height = _even(shown * shrink), _even(frame.height * shrink)
        if upright == UPRIGHT:
            scaled = scale(self._scaler, frame, width, height, "yuvj420p")
            if scaled.format.name != "yuvj420p":  # of its own size, PyAV takes limited for full range and does nothing
                scaled = scale(self._converter, scaled, width, height, "rgb24")
                scaled = scale(self._scaler, scaled, width, height, "yuvj420p")
            return self._encode(scaled)
        pixels = upright.apply(scale(self._scaler, frame, width, height, "rgb24").to_ndarray())
        turned = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        return self._encode(turned.reformat(format="yuvj420p", dst_color_range="JPEG"))

    def _encode(self, picture: av.VideoFrame) -> bytes:
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != (picture.width, picture.height):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
            encoder.time_base = Fraction(1, 1000)
            encoder.thread_count = 1
            encoder.options = {"qmin": str(self._quantizer), "qmax": str(self._quantizer)}
            self._encoder = encoder
        self._made += 1
        picture.pts, picture.time_base = self._made, encoder.time_base  # must rise, whatever the video's did
        try:
            return b"".join(bytes(packet) for packet in encoder.encode(picture))
        except av.error.FFmpegError as error:
            self._encoder = None
            raise PictureError(
                f"no JPEG can be made of a frame of {picture.width}x{picture.height} ({error})"
            ) from None


def quantizer_of(quality: int) -> int:
    """JPEG quality 1..95 as FFmpeg's quantizer scale 31..2."""
    return round(2 + (95 - min(95, max(1, quality))) / 94 * 29)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
