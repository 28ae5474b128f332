"""Sines and cosines as starting values of position tables."""

from __future__ import annotations

import torch
from torch import Tensor


def waves(at: Tensor, width: int) -> Tensor:
    """Sines and cosines [N, width] of positions [N], wavelengths from 2 to about 60 positions."""
    rates = 3.0 * 0.03 ** (torch.arange(width // 2) / (width // 2))
    angles = at[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


def waves_2d(side: int, width: int) -> Tensor:
    """The same for the cells of a grid, [side * side, width]: the first half for the row, the second for the column."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.cat([waves(rows.flatten(), width // 2), waves(columns.flatten(), width // 2)], -1)
