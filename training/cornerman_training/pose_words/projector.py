"""The projector of `cornerman_pose.tokens` as a module that learns; its names are those of the exported weights."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cornerman_pose.landmarks import CHUNK_FRAMES
from cornerman_pose.tokens import CHANNELS_IN, HALVES, HEADS, JOINTS

REDUCED = 16


class JointLayer(nn.Module):
    """A transformer layer over all joints of all frames of a chunk, norm first."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(inner), nn.LayerNorm(inner)
        self.qkv, self.out = nn.Linear(inner, 3 * inner), nn.Linear(inner, inner)
        self.up, self.down = nn.Linear(inner, 2 * inner), nn.Linear(2 * inner, inner)

    def forward(self, x: Tensor) -> Tensor:
        """[N, joints, inner] to the same."""
        many, count, inner = x.shape
        q, k, v = (
            part.view(many, count, HEADS, -1).transpose(1, 2) for part in self.qkv(self.before(x)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(many, count, inner)
        x = x + self.out(mixed)
        done: Tensor = x + self.down(F.gelu(self.up(self.between(x)), approximate="tanh"))
        return done


class JointProjector(nn.Module):
    """Joint features of chunks to tokens.

    Args:
        width: D of the language model.
        inner: width of the joint tokens.
        depth: layers.
    """

    def __init__(self, width: int, inner: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.inputs = nn.Linear(CHANNELS_IN, inner)
        self.joint = nn.Parameter(0.1 * torch.randn(JOINTS, inner))
        self.frame = nn.Parameter(0.1 * torch.randn(CHUNK_FRAMES, inner))
        self.layers = nn.ModuleList(JointLayer(inner) for _ in range(depth))
        self.norm = nn.LayerNorm(inner)
        self.reduce = nn.Linear(inner, REDUCED)
        flat = JOINTS * REDUCED
        self.context = nn.Sequential(nn.Linear(flat, width), nn.GELU("tanh"), nn.Linear(width, width))
        self.video = nn.Sequential(nn.Linear(flat, width), nn.GELU("tanh"), nn.Linear(width, width))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of [N, 8, 19, 9] features: context [N, 8, D] and video [N, 2, D]."""
        x = self.inputs(features) + self.joint + self.frame[:, None]
        x = x.flatten(1, 2)
        for layer in self.layers:
            x = layer(x)
        flat = self.reduce(self.norm(x)).view(len(x), CHUNK_FRAMES, -1)
        halves = flat.view(len(x), HALVES, -1, flat.shape[-1]).mean(2)
        return self.context(flat), self.video(halves)

    def exported(self) -> dict[str, NDArray[np.float32]]:
        """The weights that `cornerman_pose.tokens.PoseProjector` reads."""
        return {name: values.detach().float().numpy() for name, values in self.state_dict().items()}
