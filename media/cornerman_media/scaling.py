"""Frames at another size and in another pixel format, and the shapes of pictures.

Any pixel format that FFmpeg decodes is input: 10 and 16 bit, 4:4:4, alpha (ignored), odd sizes, limited and full range.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from cornerman_media.errors import PictureError

# Bicubic, widened when shrinking, is what CLIP was trained on; the flags buy exact rounding and full chroma, which at
# 8 pictures a second cost less than the decoder.
_SCALING: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

MAX_PIXEL_ASPECT: Final = 8
"""A pixel shape beyond 8:1 or 1:8 is taken for a damaged header, and the pixels for square."""


def scaling_flags() -> int:
    """Flags of FFmpeg's scaler, for callers that need more arguments than `scale` takes."""
    return int(_SCALING)


def believable_aspect(pixel_aspect: Fraction | None) -> float:
    """Width of a pixel divided by its height; 1 when unknown or beyond belief."""
    if pixel_aspect is None or not Fraction(1, MAX_PIXEL_ASPECT) <= pixel_aspect <= MAX_PIXEL_ASPECT:
        return 1.0
    return float(pixel_aspect)


def scale(scaler: VideoReformatter, frame: av.VideoFrame, width: int, height: int, form: str) -> av.VideoFrame:
    """The frame at this size and in this pixel format; full range for JPEG's formats.

    Raises:
        PictureError: FFmpeg cannot convert it.
    """
    full = "JPEG" if form.startswith("yuvj") else None
    try:
        return scaler.reformat(frame, width, height, form, interpolation=_SCALING, dst_color_range=full, threads=1)
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise PictureError(
            f"a frame of {frame.width}x{frame.height} in format {frame.format.name} cannot be converted to "
            f"{width}x{height} {form} ({error}); encode the video again, e.g. as H.264 yuv420p"
        ) from None


def fit(width: int, height: int, into: tuple[int, int]) -> tuple[int, int]:
    """The largest size with the shape of width x height inside `into`, at least 1 pixel a side."""
    factor = min(into[0] / width, into[1] / height)
    return min(into[0], max(1, round(width * factor))), min(into[1], max(1, round(height * factor)))


def boxed(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """[h, w, 3] centred on black in [H, W, 3]; `size` is (W, H)."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    canvas = np.zeros((height, width, 3), np.uint8)
    y, x = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas
