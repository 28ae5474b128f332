"""How a stored picture becomes upright: the quarter turn that phones and cameras write beside it (also EXIF)."""

from __future__ import annotations

import gc
import struct
from dataclasses import dataclass
from typing import Final

import av
import av.error
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from cornerman_media.filtering import filtered

_NEWER: Final = range(len(Type), len(Type) + 8)
"""Side data that FFmpeg knows and this PyAV does not; they are numbered from 0."""


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

    @classmethod
    def of_angle(cls, degrees: int) -> Orientation:
        """The quarter turn nearest to an angle, counterclockwise as FFmpeg tells it; not mirrored."""
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
        """[H, W, 3] -> the same upright; a view."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        return rgb[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


UPRIGHT: Final = Orientation()


class FrameOrientation:
    """The orientation of the frames of one stream. Not for several threads at once."""

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._orientation = UPRIGHT
        self._tied = False

    def of(self, frame: av.VideoFrame) -> Orientation:
        # Reading side data makes PyAV's frame part of a reference cycle, and its picture then stays until the garbage
        # collector comes by: so only when the angle is another than before, and the collector is called for it, once
        # the frame has been let go of: with the next one. It is young then, which makes that cheap.
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
        matrices = _matrices(frame)
    except ValueError:
        # PyAV lists nothing when one of a frame's data is newer than itself (EXIF, the views of a 3D video).
        try:
            matrices = _matrices(filtered(frame, *(("sidedata", f"mode=delete:type={kind}") for kind in _NEWER)))
        except (av.error.FFmpegError, ValueError):
            return Orientation.of_angle(rotation)  # which says nothing of a mirror
    return Orientation.of_matrix(matrices[0]) if matrices else UPRIGHT


def _matrices(frame: av.VideoFrame) -> list[bytes]:
    return [bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
