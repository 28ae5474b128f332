"""Frames of a chunk as JPEGs, with an eighth to a fifteenth of their bytes. See `bus.frames`.

The bytes are one uint32 (little endian) for each frame, the length of its JPEG, then the JPEGs. Colour is not
subsampled. Not imported before it is needed, because PyAV takes long to load.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from cornerman_media.jpeg import quantizer_of
from cornerman_shared.errors import MalformedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH: Final = np.dtype("<u4")
_PIXELS: Final = "yuvj444p"


def frames_to_jpeg(frames: NDArray[np.uint8], quality: int) -> bytes:
    """Encodes frames [N, H, W, 3], RGB.

    Args:
        frames: of one size.
        quality: 1 to 95, 95 = best.
    """
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width, encoder.pix_fmt = frames.shape[1], frames.shape[2], _PIXELS
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
    quantizer = str(quantizer_of(quality))
    encoder.options = {"qmin": quantizer, "qmax": quantizer}
    scaler = VideoReformatter()
    pictures: list[bytes] = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        converted = scaler.reformat(picture, format=_PIXELS, dst_color_range="JPEG")
        converted.pts, converted.time_base = number, encoder.time_base
        pictures.append(b"".join(bytes(packet) for packet in encoder.encode(converted)))
    return np.array([len(each) for each in pictures], _LENGTH).tobytes() + b"".join(pictures)


def frames_from_jpeg(data: bytes, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """Decodes what `frames_to_jpeg` wrote, uint8 of `shape`.

    Raises:
        MalformedError: the bytes are no frames of this shape; names `where`.
    """
    if len(shape) != 4 or shape[3] != 3 or len(data) < shape[0] * _LENGTH.itemsize:
        raise MalformedError(f"{where}: {len(data)} bytes are not JPEG frames {list(shape)}")
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    scaler = VideoReformatter()
    at = shape[0] * _LENGTH.itemsize
    frames = np.empty(shape, np.uint8)
    lengths = np.frombuffer(data[:at], _LENGTH).tolist()
    if at + sum(lengths) != len(data):
        raise MalformedError(f"{where}: {len(data)} bytes, but JPEG frames of {sum(lengths)} bytes")
    for number, length in enumerate(lengths):
        try:
            (picture,) = decoder.decode(av.Packet(data[at : at + length]))
        except (av.error.FFmpegError, ValueError) as error:
            raise MalformedError(f"{where}: frame {number} is no JPEG ({error})") from None
        if (picture.height, picture.width) != tuple(shape[1:3]):
            raise MalformedError(f"{where}: frame {number} is {picture.width}x{picture.height}, not {list(shape)}")
        frames[number] = scaler.reformat(picture, format="rgb24").to_ndarray()
        at += length
    return frames
