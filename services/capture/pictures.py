"""Pictures as people would see them, at the size that travels: scaled, turned upright, square pixels, 8-bit RGB.

Any pixel format that FFmpeg decodes is input: 10 and 16 bit, alpha (ignored), odd sizes, limited and full range.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from services.capture.core import Pixels
from services.capture.states import BrokenError

MAX_ASPECT: Final = 16
"""A picture whose one side is this many times the other is refused: at 224 pixels it would be larger than 8 Mpixel."""

# Bicubic, widened when shrinking, is what CLIP was trained on; the flags buy exact rounding and full chroma, which at
# 8 pictures a second cost less than the decoder.
_SCALING: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored picture becomes upright: first transpose, then mirror."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: bytes) -> Orientation:
        """The quarter turn nearest to a display matrix: nine int32, `p' = a p + c q`, `q' = b p + d q`.

        Source: FFmpeg, libavutil/display.h.
        """
        if len(matrix) < 36:
            return cls()
        a, b, _u, c, d, *_rest = struct.unpack("=9i", matrix[:36])
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transpose=True, flip_x=c < 0, flip_y=b < 0)
        return cls(flip_x=a < 0, flip_y=d < 0)

    def apply(self, rgb: Pixels) -> Pixels:
        """[H, W, 3] -> the same upright; a view."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        return rgb[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


UPRIGHT: Final = Orientation()


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
    scale = shorter_side / min(shown, height)
    return max(shorter_side, round(shown * scale)), max(shorter_side, round(height * scale))


class Uprighter:
    """How the frames of one stream are turned, from the display matrix that phones write."""

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._orientation = UPRIGHT

    def of(self, frame: av.VideoFrame) -> Orientation:
        # Reading side data makes PyAV's frame part of a reference cycle, and its picture then stays until the garbage
        # collector comes by: so only when the angle is another than before.
        rotation = int(frame.rotation)
        if rotation != self._rotation:
            self._rotation = rotation
            matrices = [bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
            self._orientation = Orientation.of_matrix(matrices[0]) if matrices else UPRIGHT
        return self._orientation


class Shrinker:
    """Decoded frame -> [H, W, 3] uint8 RGB, upright, shorter side as given. Not for several threads at once."""

    def __init__(self, shorter_side: int, pixel_aspect: Fraction | None = None) -> None:
        self._shorter_side = shorter_side
        self._aspect = pixel_aspect
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._uprighter = Uprighter()

    def rgb(self, frame: av.VideoFrame) -> Pixels:
        """The picture of a decoded frame.

        Raises:
            BrokenError: no picture can be made of it.
        """
        width, height = scaled_size(frame.width, frame.height, self._aspect, self._shorter_side)
        scaled = frame
        if not frame.format.is_rgb and len(frame.format.components) >= 3:
            # Scaled as YUV with whole chroma and converted when small: half the time of one step.
            scaled = _scale(self._scaler, frame, width, height, "yuv444p")
        pixels: NDArray[np.uint8] = _scale(self._converter, scaled, width, height, "rgb24").to_ndarray()
        return self._uprighter.of(frame).apply(pixels)


class JpegMaker:
    """Decoded frame -> JPEG, upright, at most `max_width` wide. Not for several threads at once.

    Args:
        max_width: pixels.
        quality: 1 to 95, 95 = best.
        pixel_aspect: width of a pixel divided by its height; None = square.
    """

    def __init__(self, max_width: int, quality: int, pixel_aspect: Fraction | None = None) -> None:
        self._max_width = max_width
        self._quantizer = quantizer_of(quality)
        self._aspect = pixel_aspect
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._uprighter = Uprighter()
        self._made = 0
        self._encoder: av.VideoCodecContext | None = None

    def jpeg(self, frame: av.VideoFrame) -> bytes:
        """The picture of a decoded frame.

        Raises:
            BrokenError: no picture can be made of it.
        """
        upright = self._uprighter.of(frame)
        shown = frame.width * float(self._aspect or 1)
        stored_limit = self._max_width * (shown / frame.height if upright.transpose else 1.0)
        scale = min(1.0, stored_limit / shown)
        width, height = _even(shown * scale), _even(frame.height * scale)
        if upright == UPRIGHT:
            scaled = _scale(self._scaler, frame, width, height, "yuvj420p")
            if scaled.format.name != "yuvj420p":  # of its own size, PyAV takes limited for full range and does nothing
                scaled = _scale(self._converter, scaled, width, height, "rgb24")
                scaled = _scale(self._scaler, scaled, width, height, "yuvj420p")
            return self._encode(scaled)
        pixels = upright.apply(_scale(self._scaler, frame, width, height, "rgb24").to_ndarray())
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
            raise BrokenError(
                f"no JPEG can be made of a frame of {picture.width}x{picture.height} ({error})", final=True
            ) from None


def quantizer_of(quality: int) -> int:
    """JPEG quality 1..95 as FFmpeg's quantizer scale 31..2."""
    return round(2 + (95 - min(95, max(1, quality))) / 94 * 29)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def _scale(scaler: VideoReformatter, frame: av.VideoFrame, width: int, height: int, form: str) -> av.VideoFrame:
    full = "JPEG" if form.startswith("yuvj") else None
    try:
        return scaler.reformat(frame, width, height, form, interpolation=_SCALING, dst_color_range=full, threads=1)
    except (av.error.FFmpegError, ValueError) as error:
        raise BrokenError(
            f"a frame of {frame.width}x{frame.height} in format {frame.format.name} cannot be converted ({error}); "
            "encode the video anew, e.g. as H.264 yuv420p",
            final=True,
        ) from None
