"""Encodes frames as JPEG data URIs, for servers that take pictures. Knows no server."""

from __future__ import annotations

import base64
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from cornerman_media.errors import PictureError
from cornerman_media.jpeg import JpegEncoder
from cornerman_shared.errors import GenerationError

QUALITY: Final = 92


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    """A JPEG of an RGB frame [H, W, 3], each side rounded to an even number of pixels.

    Raises:
        GenerationError: it cannot be encoded.
    """
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    try:
        return JpegEncoder(frame.shape[1] + 1, QUALITY).jpeg(picture)
    except PictureError as error:
        raise GenerationError(str(error)) from None


def data_uri(frame: NDArray[np.uint8]) -> str:
    """The frame as `data:image/jpeg;base64,…`."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(frame)).decode()
