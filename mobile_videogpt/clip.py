"""The image tower: CLIP's vision transformer, read at a hidden layer.

The blocks are transformers' own; this module keeps the published names (newer transformers drop the
`vision_model.` level) and stops at the layer that is read. Knows nothing of preprocessing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from mobile_videogpt.transformers_api import clip_transformer

if TYPE_CHECKING:
    from mobile_videogpt.config import ClipVisionConfig


class _VisionModel(nn.Module):
    """Holds the transformer under its published name `vision_model`."""

    def __init__(self, config: ClipVisionConfig) -> None:
        super().__init__()
        clip = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=config.width,
                intermediate_size=config.mlp_width,
                num_hidden_layers=config.depth,
                num_attention_heads=config.heads,
                image_size=config.image_size,
                patch_size=config.patch_size,
                layer_norm_eps=config.norm_eps,
            )
        )
        self.vision_model = clip_transformer(clip)


class ClipTower(nn.Module):
    """`[N, 3, S, S]` normalised pixels -> `[N, grid * grid, W]`, hidden layer `select_layer`, CLS dropped."""

    def __init__(self, config: ClipVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = _VisionModel(config)

    def embed(self, pixels: Tensor) -> Tensor:
        """Input of the first block, `[N, 1 + grid * grid, W]`, after the first layer norm, CLS included."""
        model = self.vision_tower.vision_model
        hidden: Tensor = model.pre_layrnorm(model.embeddings(pixels))  # transformers' spelling
        return hidden

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.embed(pixels)
        # Later layers have weights, but their output is not read.
        for layer in self.vision_tower.vision_model.encoder.layers[: self.config.used_depth]:
            out = layer(hidden, attention_mask=None, causal_attention_mask=None)
            hidden = out if isinstance(out, torch.Tensor) else out[0]  # a tuple before transformers 5
        return hidden[:, 1:]
