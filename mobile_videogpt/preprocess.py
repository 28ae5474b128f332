"""uint8 frames to normalised pixels for both towers, as batched tensor code on any device.

The two towers read different regions of a frame that is not square: the video tower squeezes it into a square, CLIP
crops the middle. Knows nothing of the towers but their side length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mobile_videogpt.resize import resize_bicubic, resize_linear

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def check_frames(frames: Tensor, count: int) -> None:
    """Checks that frames are `[B, count, H, W, 3]` uint8.

    Raises:
        ValueError: on another shape or dtype.
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
    """Pixels for the video tower: squeezed to `size x size` as OpenCV does, ImageNet statistics.

    Args:
        frames: `[N, H, W, 3]` uint8.
        size: side of the square.

    Returns:
        `[N, 3, size, size]` float32.
    """
    if frames.shape[1:3] != (size, size):
        frames = resize_linear(frames, size, size)
    return _normalise(frames, IMAGENET_MEAN, IMAGENET_STD)


def image_pixels(frames: Tensor, size: int) -> Tensor:
    """Pixels for CLIP: shorter side to `size` as Pillow's bicubic does, middle square, CLIP statistics.

    Args:
        frames: `[N, H, W, 3]` uint8.
        size: side of the square.

    Returns:
        `[N, 3, size, size]` float32.
    """
    height, width = frames.shape[1:3]
    short = min(height, width)
    new_height, new_width = size * height // short, size * width // short
    # Pillow's order: rows first, then columns; the crop is taken while resizing.
    square = resize_bicubic(frames, 2, new_width, (new_width - size) // 2, size)
    square = resize_bicubic(square, 1, new_height, (new_height - size) // 2, size)
    return _normalise(square, CLIP_MEAN, CLIP_STD)


def _normalise(frames: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """`[N, H, W, 3]` uint8 -> `[N, 3, H, W]` float32, scaled to 0..1, shifted and divided."""
    shift = torch.tensor(mean, device=frames.device).view(3, 1, 1)
    scale = torch.tensor(std, device=frames.device).view(3, 1, 1)
    return frames.permute(0, 3, 1, 2).float().div_(255).sub_(shift).div_(scale)
