"""ETP projectors: map a tower's tokens to the language model's width, pooled to a smaller square grid.

They know the grid's sides only; the caller decides which tokens make a grid.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _side(count: int) -> int:
    side = math.isqrt(count)
    if side * side != count:
        raise ValueError(f"{count} tokens do not make a square grid; group the frames so that they do")
    return side


def pool_grid(tokens: Tensor, side: int) -> Tensor:
    """`[N, n * n, D] -> [N, side * side, D]` by adaptive averaging over the grid, row-major.

    Raises:
        ValueError: if the number of tokens is not a square.
    """
    n = _side(tokens.shape[1])
    grid = torch.unflatten(tokens.transpose(1, 2), 2, (n, n))  # [N, D, n, n]
    return F.adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)


def pool_frames(tokens: Tensor, side: int) -> Tensor:
    """`[B, T, P, W] -> [B, T, side * side, W]`, each frame on its own."""
    return torch.unflatten(pool_grid(tokens.flatten(0, 1), side), 0, tokens.shape[:2])


class _FeedForward(nn.Module):
    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width_in, width_out), nn.GELU(), nn.Linear(width_out, width_out))


class _PositionEncoding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.peg = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width))


class Projector(nn.Module):
    """Linear, GELU, Linear; pool to `side x side`; add a depthwise 3x3 convolution of the result.

    Maps `[N, n * n, width_in] -> [N, side * side, width_out]` for any n.
    """

    def __init__(self, width_in: int, width_out: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.mlp = _FeedForward(width_in, width_out)
        self.peg = _PositionEncoding(width_out)

    @property
    def dtype(self) -> torch.dtype:
        return self.mlp.mlp[0].weight.dtype  # type: ignore[return-value]

    @property
    def device(self) -> torch.device:
        return self.mlp.mlp[0].weight.device  # type: ignore[return-value]

    def forward(self, tokens: Tensor) -> Tensor:
        pooled = pool_grid(self.mlp.mlp(tokens), self.side)
        grid = torch.unflatten(pooled.transpose(1, 2), 2, (self.side, self.side))  # [N, D, side, side]
        mixed: Tensor = grid + self.peg.peg(grid)
        return mixed.flatten(2).transpose(1, 2)
