"""Selects the frames of a group for the video tower: those whose CLIP tokens receive most attention.

Pure functions over tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Selection:
    """`indices [..., k]` of the kept frames, ascending, and the `scores [..., T]` they were chosen by."""

    indices: Tensor
    scores: Tensor


def frame_scores(tokens: Tensor) -> Tensor:
    """Attention each frame receives, `[..., T, P, W] -> [..., T]` float32.

    Raw dot products of all `T * P` tokens with each other, scaled by `1 / sqrt(W)`; softmax over each row;
    the sum of a frame's columns. The scores of a group add up to `T * P`.
    """
    frames, patches, width = tokens.shape[-3:]
    flat = tokens.flatten(-3, -2).float()
    attention = torch.softmax(flat @ flat.transpose(-1, -2) / math.sqrt(width), dim=-1)
    return torch.unflatten(attention.sum(-2), -1, (frames, patches)).sum(-1)


@torch.no_grad()
def select_frames(tokens: Tensor, k: int) -> Selection:
    """The `k` frames of each group with the highest score, in time order.

    Args:
        tokens: `[..., T, P, W]`.
        k: how many to keep, 1 to T.

    Raises:
        ValueError: if `k` is not in that range.
    """
    if not 1 <= k <= tokens.shape[-3]:
        raise ValueError(f"cannot select {k} of {tokens.shape[-3]} frames")
    scores = frame_scores(tokens)
    return Selection(scores.topk(k, dim=-1).indices.sort(dim=-1).values, scores)
