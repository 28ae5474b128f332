"""Turns decoded frames upright by their display matrix, as phones write it, and scales them."""

from __future__ import annotations

import gc
import struct
from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from cornerman_shared.errors import SourceError

# Bicubic, widened when shrinking, is what CLIP was trained on; the flags buy exact rounding and full chroma, which at
# 8 pictures a second cost less than the decoder.
_SCALING: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True, slots=True)
class Orientation:
    """Turn that makes a stored picture upright: first transpose, then mirror."""

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

    @classmethod
    def of_angle(cls, degrees: int) -> Orientation:
        """The quarter turn nearest to an angle, counterclockwise degrees as FFmpeg reports them; not mirrored."""
        match round(degrees / 90) % 4:
            case 1:
                return cls(transpose=True, flip_y=True)
            case 2:
                return cls(flip_x=True, flip_y=True)
            case 3:
                return cls(transpose=True, flip_x=True)
            case _:
                return cls()

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turns a picture [H, W, 3] upright; returns a view."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        return rgb[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


UPRIGHT: Final = Orientation()


class FrameOrientation:
    """Reads the orientation of the frames of one stream from their display matrix."""

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._orientation = UPRIGHT
        self._tied = False

    def of(self, frame: av.VideoFrame) -> Orientation:
        # Reading side data makes PyAV's frame part of a reference cycle, which keeps its picture until the garbage
        # collector runs. So side data is read only when the angle changes, and the collector is called at the next
        # frame, when the cycle is free and still young, which makes that cheap.
        rotation = int(frame.rotation)
        if rotation != self._rotation:
            self._rotation = rotation
            self._orientation = _orientation_of(frame, rotation)
            self._tied = True
        elif self._tied:
            gc.collect(1)
            self._tied = False
        return self._orientation


def _orientation_of(frame: av.VideoFrame, rotation: int) -> Orientation:
    try:
        matrices = [bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    except ValueError:
        # PyAV lists no side data if one entry is of a type that it does not know (EXIF, the views of a 3D video).
        return Orientation.of_angle(rotation)
    return Orientation.of_matrix(matrices[0]) if matrices else UPRIGHT


def scale(scaler: VideoReformatter, frame: av.VideoFrame, width: int, height: int, form: str) -> av.VideoFrame:
    """Converts a frame to a size, pixels, and pixel format; full range for JPEG formats.

    Raises:
        SourceError: FFmpeg cannot convert it.
    """
    full = "JPEG" if form.startswith("yuvj") else None
    try:
        return scaler.reformat(frame, width, height, form, interpolation=_SCALING, dst_color_range=full, threads=1)
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(
            f"a frame of {frame.width}x{frame.height} in format {frame.format.name} cannot be converted ({error}); "
            "encode the video anew, e.g. as H.264 yuv420p"
        ) from None
