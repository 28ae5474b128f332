"""uint8 frames to normalised pixels for both towers, as batched tensor code on any device.

The two towers look at different regions of a frame that is not square: the video tower squeezes it into a
square, CLIP crops the middle. It knows nothing of the towers but their side length.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

# Pillow resizes 8-bit images with weights of this many fractional bits, rounding after each of two passes.
_WEIGHT_BITS = 22
_CUBIC = -0.5  # Pillow's bicubic coefficient


def check_frames(frames: Tensor, count: int) -> None:
    """Refuse anything but `[B, count, H, W, 3]` uint8.

    Raises:
        ValueError: naming the shape or dtype found and the one wanted.
    """
    if frames.dtype != torch.uint8:
        raise ValueError(f"frames are {frames.dtype}; give uint8 RGB")
    if frames.dim() != 5 or frames.shape[-1] != 3:
        raise ValueError(f"frames have shape {tuple(frames.shape)}; give [batch, {count}, height, width, 3]")
    if frames.shape[1] != count:
        raise ValueError(
            f"{frames.shape[1]} frames given, this path takes exactly {count}: chunks go to encode_chunk, "
            "clips of twice that number to encode_clip"
        )
    if 0 in frames.shape:
        raise ValueError(f"frames have shape {tuple(frames.shape)}; none of it may be zero")


def video_pixels(frames: Tensor, size: int) -> Tensor:
    """Pixels for the video tower: squeezed to `size x size`, bilinear without antialias, ImageNet statistics.

    Args:
        frames: `[N, H, W, 3]` uint8.
        size: side of the square.

    Returns:
        `[N, 3, size, size]` float32. Within one grey level of OpenCV's resize (0.0175 after normalising).
    """
    pixels = frames.permute(0, 3, 1, 2).float()
    if pixels.shape[-2:] != (size, size):
        # The reference rounds to uint8 after the resize.
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False).add_(0.5).floor_()
    return _normalise(pixels, IMAGENET_MEAN, IMAGENET_STD)


def image_pixels(frames: Tensor, size: int) -> Tensor:
    """Pixels for CLIP: shorter side to `size` (Pillow's bicubic, to the bit), middle square, CLIP statistics.

    Args:
        frames: `[N, H, W, 3]` uint8.
        size: side of the square.

    Returns:
        `[N, 3, size, size]` float32.
    """
    height, width = frames.shape[1:3]
    short = min(height, width)
    new_height, new_width = size * height // short, size * width // short
    square = _resize_axis(frames, 2, new_width, (new_width - size) // 2, size)
    square = _resize_axis(square, 1, new_height, (new_height - size) // 2, size)
    return _normalise(square.permute(0, 3, 1, 2).float(), CLIP_MEAN, CLIP_STD)


def _normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    shift = torch.tensor(mean, device=pixels.device).view(3, 1, 1)
    scale = torch.tensor(std, device=pixels.device).view(3, 1, 1)
    return pixels.div_(255).sub_(shift).div_(scale)


def _resize_axis(frames: Tensor, axis: int, size: int, start: int, count: int) -> Tensor:
    """Pixels `start` to `start + count` of `axis` resized to `size`, uint8 in and out."""
    length = frames.shape[axis]
    if length == size:
        return frames.narrow(axis, start, count)
    indices, weights = _taps(length, size, start, count)
    along = [1] * frames.dim()
    along[axis] = count
    total: Tensor | None = None
    for index, weight in zip(indices, weights, strict=True):
        part = frames.index_select(axis, torch.tensor(index, device=frames.device)).to(torch.int32)
        part *= torch.tensor(weight, dtype=torch.int32, device=frames.device).view(along)
        total = part if total is None else total.add_(part)
    assert total is not None  # a kernel has at least one tap
    return total.add_(1 << (_WEIGHT_BITS - 1)).bitwise_right_shift_(_WEIGHT_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _taps(length: int, size: int, start: int, count: int) -> tuple[list[list[int]], list[list[int]]]:
    """Source indices and fixed-point weights of the output pixels: two `[taps, count]` tables."""
    scale = length / size
    stretch = max(scale, 1.0)  # antialias: the kernel widens with the reduction, never below two pixels
    support = 2.0 * stretch
    columns: list[list[tuple[int, int]]] = []
    for out in range(start, start + count):
        centre = (out + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), length)
        raw = [_bicubic((i - centre + 0.5) / stretch) for i in range(first, last)]
        total = sum(raw)
        fixed = [math.floor(w / total * (1 << _WEIGHT_BITS) + 0.5) for w in raw]
        columns.append([(first + i, w) for i, w in enumerate(fixed)])
    taps = max(map(len, columns))
    padded = [column + [(0, 0)] * (taps - len(column)) for column in columns]
    indices = [[column[tap][0] for column in padded] for tap in range(taps)]
    weights = [[column[tap][1] for column in padded] for tap in range(taps)]
    return indices, weights


def _bicubic(x: float) -> float:
    x = abs(x)
    if x < 1.0:
        return ((_CUBIC + 2.0) * x - (_CUBIC + 3.0)) * x * x + 1.0
    if x < 2.0:
        return (((x - 5.0) * x + 8.0) * x - 4.0) * _CUBIC
    return 0.0
