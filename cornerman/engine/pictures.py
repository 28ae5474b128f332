"""Pictures from other programs as frames: numpy in RGB or BGR, PIL and torch, of any size; without importing them."""

from __future__ import annotations

from typing import Any, Final, Literal

import av
import numpy as np
from numpy.typing import NDArray

from cornerman_shared.errors import ConfigError

Order = Literal["rgb", "bgr"]

KNOWN: Final = "a numpy array [H, W, 3] or [H, W], a PIL image, or a torch tensor [3, H, W] or [H, W, 3]"


CHANNELS: Final = (1, 3, 4)
"""Grey, colour, colour with alpha."""

WIDE_MODES: Final = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def rgb_of(picture: Any, order: Order = "rgb") -> NDArray[np.uint8]:
    """The picture as RGB, uint8 [H, W, 3].

    Args:
        picture: see `KNOWN`; uint8 0..255, or floating point 0..1. A fourth channel is ignored, grey is repeated.
        order: of the three channels; OpenCV's pictures are `bgr`. A PIL image knows its own order.

    Raises:
        ConfigError: it is none of these, or has no pixels.

    >>> import numpy as np
    >>> rgb_of(np.array([[[1, 2, 3]]], np.uint8), order="bgr")[0, 0].tolist()
    [3, 2, 1]
    """
    if order not in ("rgb", "bgr"):
        raise ConfigError(f"order = {order!r}: give 'rgb' or 'bgr'")
    if hasattr(picture, "convert") and hasattr(picture, "getbands"):  # PIL, without importing it
        return _of_pil(picture)
    array = _array(picture)
    if array.ndim == 3 and array.shape[0] in CHANNELS and array.shape[2] not in CHANNELS:
        array = array.transpose(1, 2, 0)  # channels first, as in torch
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or 0 in array.shape:
        raise ConfigError(f"a frame of shape {list(array.shape)} is not a picture; give {KNOWN}")
    array = _bytes(array[:, :, :3])
    return np.ascontiguousarray(array[:, :, ::-1] if order == "bgr" else array)


def video_frame(rgb: NDArray[np.uint8]) -> av.VideoFrame:
    """The picture as FFmpeg's frame, which capture scales."""
    return av.VideoFrame.from_ndarray(rgb, format="rgb24")


def _of_pil(picture: Any) -> NDArray[np.uint8]:
    if 0 in picture.size:
        raise ConfigError(f"a PIL image of {picture.size[0]}x{picture.size[1]} pixels is not a picture; give {KNOWN}")
    if picture.mode in WIDE_MODES:  # PIL would cut their values off at 255
        raise ConfigError(f"a PIL image of mode {picture.mode!r} has no fixed range of values; scale it to mode 'L'")
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8))


def _array(picture: Any) -> NDArray[Any]:
    if hasattr(picture, "detach"):  # torch, on any device
        picture = picture.detach()
        if picture.is_floating_point():
            picture = picture.float()  # numpy has no bfloat16
        try:
            picture = picture.cpu().to_dense().numpy()
        except (RuntimeError, TypeError) as error:
            raise ConfigError(f"a frame that numpy cannot read ({error}) is not a picture; give {KNOWN}") from None
    if not isinstance(picture, np.ndarray):
        raise ConfigError(f"a frame of type {type(picture).__name__} is not a picture; give {KNOWN}")
    return picture


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values as 0..255.

    Raises:
        ConfigError: they are of another type, or not within 0..1 where they are floats.
    """
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ConfigError(f"a frame of {array.dtype} is not a picture; give uint8 0..255, or floats 0..1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):
        raise ConfigError(f"a frame of floats from {low:g} to {high:g} is not a picture; give 0..1, or uint8 0..255")
    return (array * 255.0 + 0.5).astype(np.uint8)
