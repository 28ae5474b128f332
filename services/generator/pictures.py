"""Frames as JPEG, for servers that take pictures. Uses PyAV, which capture needs anyway."""

from __future__ import annotations

import base64
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import GenerationError


def jpeg(frame: NDArray[np.uint8], quality: int = 3) -> bytes:
    """A JPEG of an RGB frame [H, W, 3].

    Args:
        quality: the encoder's quantizer scale, 2 (best) to 31.
    """
    height, width = frame.shape[0] - frame.shape[0] % 2, frame.shape[1] - frame.shape[1] % 2
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height = width, height
    context.pix_fmt, context.color_range = "yuv420p", 2  # full range, as JPEG has it
    context.time_base = Fraction(1, 25)
    context.options = {"qmin": str(quality), "qmax": str(quality)}
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
    picture = picture.reformat(format="yuv420p", dst_color_range="JPEG")
    picture.pts = 0
    packets = [*context.encode(picture), *context.encode(None)]
    if not packets:
        raise GenerationError(f"a frame {list(frame.shape)} could not be made a JPEG")
    return bytes(packets[0])


def data_uri(frame: NDArray[np.uint8]) -> str:
    """The frame as `data:image/jpeg;base64,…`."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(frame)).decode()
