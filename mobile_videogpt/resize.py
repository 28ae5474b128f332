"""Resizes uint8 images exactly as OpenCV and Pillow do, bit for bit, on any device.

The models were trained on images resized by OpenCV (bilinear, no antialias) and Pillow (bicubic, antialias). Both work
in fixed point; so does this module, in 32-bit integers. Knows nothing of crops or statistics.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_LINEAR_BITS = 11  # OpenCV's weights, of which its second pass drops 4 + 16 bits and then 2
_CUBIC_BITS = 22  # Pillow's weights; each of its two passes rounds to uint8
_CUBIC = -0.5  # Pillow's coefficient of the cubic kernel


def resize_linear(images: Tensor, height: int, width: int) -> Tensor:
    """`[N, H, W, C]` uint8 -> `[N, height, width, C]` uint8, as OpenCV's INTER_LINEAR."""
    left, right, w_left, w_right = _pairs(images.shape[2], width, images.device, clamp_weights=True)
    rows = images.index_select(2, left).to(torch.int32).mul_(w_left[:, None])
    rows.add_(images.index_select(2, right).to(torch.int32).mul_(w_right[:, None])).bitwise_right_shift_(4)
    above, below, w_above, w_below = _pairs(images.shape[1], height, images.device, clamp_weights=False)
    total = rows.index_select(1, above).mul_(w_above[:, None, None]).bitwise_right_shift_(16)
    total.add_(rows.index_select(1, below).mul_(w_below[:, None, None]).bitwise_right_shift_(16))
    return total.add_(2).bitwise_right_shift_(2).clamp_(0, 255).to(torch.uint8)


def _pairs(length: int, size: int, device: torch.device, *, clamp_weights: bool) -> tuple[Tensor, ...]:
    """Both neighbours of every output pixel and their fixed-point weights.

    Past an edge OpenCV gives the edge pixel all the weight along rows, but along columns keeps the two weights
    and meets the edge twice, which rounds differently.
    """
    position = ((torch.arange(size, dtype=torch.float64) + 0.5) * (length / size) - 0.5).float()
    first = position.floor()
    part = position - first
    if clamp_weights:
        part[(first < 0) | (first >= length - 1)] = 0.0
    scale = float(1 << _LINEAR_BITS)
    near, far = (((1 - part) * scale).round(), (part * scale).round())
    index = first.long()
    tables = (index.clamp(0, length - 1), (index + 1).clamp(0, length - 1), near.int(), far.int())
    return tuple(table.to(device) for table in tables)


def resize_bicubic(images: Tensor, axis: int, size: int, start: int, count: int) -> Tensor:
    """Pixels `start` to `start + count` of one axis resized to `size`, as Pillow's BICUBIC, uint8 in and out.

    Pillow resizes rows (the width) first; the caller keeps that order.
    """
    length = images.shape[axis]
    if length == size:
        return images.narrow(axis, start, count)
    indices, weights = _taps(length, size, start, count)
    along = [1] * images.dim()
    along[axis] = count
    total = torch.full((), 1 << (_CUBIC_BITS - 1), dtype=torch.int32, device=images.device)
    for index, weight in zip(indices, weights, strict=True):
        part = images.index_select(axis, torch.tensor(index, device=images.device)).to(torch.int32)
        total = part.mul_(torch.tensor(weight, dtype=torch.int32, device=images.device).view(along)).add_(total)
    return total.bitwise_right_shift_(_CUBIC_BITS).clamp_(0, 255).to(torch.uint8)


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
        fixed = [math.floor(w / total * (1 << _CUBIC_BITS) + 0.5) for w in raw]
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
