"""Output of the vision half: visual tokens for the language model, and pooled features for the decider.

Layout of `features` (float32, `[B, F]`, F = `config.feature_size`), all means over patches:

    [ CLS of the video tower : Wv | frame 0: video mean : Wv, image mean : Wc | frame 1: ... | ... ]

so a temporal head reads one row of `Wv + Wc` per frame after the first `Wv` values; `split_features` splits it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig


@dataclass(frozen=True, slots=True)
class Tokens:
    """The visual tokens of a batch of chunks or clips.

    Attributes:
        context: `[B, T, image_tokens, D]`, image tokens of every frame in time order.
        video: `[B, video_tokens, D]`, one video pass; its groups in time order.
        features: `[B, F]` float32, pooled; layout in the module's docstring. They cover the frames of the video tower:
            all of a chunk's, the selected ones of a clip.
        selected: `[B, groups, k]` int64, kept frames of each group, counted within it; None for a chunk.
    """

    context: Tensor
    video: Tensor
    features: Tensor
    selected: Tensor | None = None

    def merged(self) -> Tensor:
        """`[B, T * image_tokens + video_tokens, D]`: the order the language model was trained with."""
        return torch.cat([self.context.flatten(1, 2), self.video], dim=1)


@dataclass(frozen=True, slots=True)
class PooledFeatures:
    """The parts of `features`: `cls [B, Wv]`, `video [B, T, Wv]` and `image [B, T, Wc]`."""

    cls: Tensor
    video: Tensor
    image: Tensor


def join_features(cls: Tensor, video: Tensor, image: Tensor) -> Tensor:
    """`[B, F]` float32 from `cls [B, Wv]`, `video [B, T, Wv]` and `image [B, T, Wc]`."""
    frames = torch.cat([video.float(), image.float()], dim=-1)  # [B, T, Wv + Wc]
    return torch.cat([cls.float(), frames.flatten(1)], dim=-1)


def split_features(features: Tensor, config: MobileVideoGPTConfig) -> PooledFeatures:
    """The inverse of `join_features`.

    Raises:
        ValueError: if the length is not `config.feature_size`.
    """
    if features.shape[-1] != config.feature_size:
        raise ValueError(
            f"features have {features.shape[-1]} values, this model's have {config.feature_size}; "
            "they come from another model"
        )
    width, frames = config.video.width, config.video.num_frames
    rows = torch.unflatten(features[:, width:], 1, (frames, width + config.image.width))
    return PooledFeatures(features[:, :width], rows[..., :width], rows[..., width:])
