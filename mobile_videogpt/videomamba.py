"""VideoMamba: the patches of all frames as one sequence through bidirectional Mamba blocks.

Each block reads the sequence forwards and backwards with two sets of parameters (`..._b` is the backward set) between
one shared input and output projection. Stock Mamba code silently ignores the `_b` weights; here a missing or unread
one is an error of strict loading. Knows nothing of preprocessing or pooling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobile_videogpt.scan.dispatch import causal_conv_silu, selective_scan

if TYPE_CHECKING:
    from mobile_videogpt.config import VideoMambaConfig

# Range of the time step at initialisation, as in Mamba (https://arxiv.org/abs/2312.00752, section 3.6).
_STEP_MIN, _STEP_MAX = 1e-3, 1e-1


class RMSNorm(nn.Module):
    """`x / rms(x) * weight` over the last axis, computed in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps).to(self.weight.dtype)


class BidirectionalMixer(nn.Module):
    """One Mamba mixer over `[B, L, W]` that scans both ways and adds the two."""

    def __init__(self, config: VideoMambaConfig) -> None:
        super().__init__()
        width, inner, rank, state = config.width, config.d_inner, config.dt_rank, config.d_state
        self.dt_rank, self.d_state = rank, state
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, config.d_conv, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(_initial_a_log(inner, state))
        self.D = nn.Parameter(torch.ones(inner))
        self.conv1d_b = nn.Conv1d(inner, inner, config.d_conv, groups=inner)
        self.x_proj_b = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj_b = nn.Linear(rank, inner)
        self.A_b_log = nn.Parameter(_initial_a_log(inner, state))
        self.D_b = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            # The residual stream adds `depth` outputs: keep its variance independent of the depth.
            self.out_proj.weight /= math.sqrt(config.depth)
        for step in (self.dt_proj, self.dt_proj_b):
            _initialise_step(step)

    def forward(self, hidden: Tensor) -> Tensor:
        u, z = self.in_proj(hidden).chunk(2, dim=-1)  # [B, L, E] each
        ahead = self._direction(u, self.conv1d, self.x_proj, self.dt_proj, self.A_log, self.D, reverse=False)
        back = self._direction(u, self.conv1d_b, self.x_proj_b, self.dt_proj_b, self.A_b_log, self.D_b, reverse=True)
        # Both directions share the gate, so it is applied once to their plain sum.
        mixed: Tensor = self.out_proj((ahead + back) * F.silu(z))
        return mixed

    def _direction(
        self,
        u: Tensor,
        conv: nn.Conv1d,
        x_proj: nn.Linear,
        dt_proj: nn.Linear,
        a_log: Tensor,
        skip: Tensor,
        *,
        reverse: bool,
    ) -> Tensor:
        """One direction before the gate, `[B, L, E]`, in the order of the input."""
        assert conv.bias is not None
        u = causal_conv_silu(u, conv.weight, conv.bias, reverse=reverse)
        step, b, c = x_proj(u).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        return selective_scan(u, dt_proj(step), -torch.exp(a_log.float()), b, c, skip, reverse=reverse)


class Block(nn.Module):
    """Norm and mixer; the float32 residual stream is passed beside the hidden state."""

    def __init__(self, config: VideoMambaConfig) -> None:
        super().__init__()
        self.mixer = BidirectionalMixer(config)
        self.norm = RMSNorm(config.width, config.norm_eps)

    def forward(self, hidden: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        """`(mixer output, new residual)`; the residual is None before the first block."""
        residual = hidden.float() if residual is None else residual + hidden
        return self.mixer(self.norm(residual)), residual


class _PatchEmbed(nn.Module):
    def __init__(self, config: VideoMambaConfig) -> None:
        super().__init__()
        size = config.patch_size
        self.proj = nn.Conv3d(3, config.width, (1, size, size), stride=(1, size, size))


class _UnusedHead(nn.Module):
    """A decoder of VideoMamba's pre-training: present in the published weights, never run."""

    def __init__(self, config: VideoMambaConfig) -> None:
        super().__init__()
        self.head = nn.Linear(config.width, config.clip_decoder_width)
        self.norm = nn.LayerNorm(config.clip_decoder_width)


class VideoMamba(nn.Module):
    """`[B, T, 3, S, S]` normalised pixels -> `[B, 1 + T * P, W]`, CLS first, then frame by frame."""

    def __init__(self, config: VideoMambaConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + config.grid**2, width))
        self.temporal_pos_embedding = nn.Parameter(torch.zeros(1, config.num_frames, width))
        self.patch_embed = _PatchEmbed(config)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = RMSNorm(width, config.norm_eps)
        heads = [_UnusedHead(config)] if config.clip_decoder_width else []
        self.clip_decoder = nn.ModuleList(heads)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def embed(self, pixels: Tensor) -> Tensor:
        """Input of the first block, `[B, 1 + T * P, W]`.

        Raises:
            ValueError: if the number of frames or the side length is not the config's.
        """
        config = self.config
        batch, frames = pixels.shape[:2]
        wanted = (config.num_frames, 3, config.image_size, config.image_size)
        if tuple(pixels.shape[1:]) != wanted:
            raise ValueError(f"pixels have shape {tuple(pixels.shape)}; this tower takes [batch, {wanted}]")
        proj = self.patch_embed.proj
        # The kernel is one frame deep, so a 2-D convolution over all frames gives the same sums.
        patches = F.conv2d(pixels.flatten(0, 1), proj.weight[:, :, 0], proj.bias, stride=config.patch_size)
        tokens = torch.unflatten(patches.flatten(2).transpose(1, 2), 0, (batch, frames))  # [B, T, P, W]
        tokens = tokens + self.pos_embed[:, None, 1:] + self.temporal_pos_embedding[:, :, None]
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(batch, -1, -1)
        return torch.cat([cls, tokens.flatten(1, 2)], dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden, residual = self.embed(pixels), None
        for block in self.layers:
            hidden, residual = block(hidden, residual)
        features: Tensor = self.norm(hidden if residual is None else residual + hidden)
        return features


def _initial_a_log(inner: int, state: int) -> Tensor:
    """log(1..N) in every channel: decay rates spread over the states (S4D-Real)."""
    return torch.arange(1, state + 1, dtype=torch.float32).log().repeat(inner, 1)


@torch.no_grad()
def _initialise_step(step: nn.Linear) -> None:
    """Steps log-uniform in [_STEP_MIN, _STEP_MAX] at zero input, through the inverse of softplus."""
    bound = step.in_features**-0.5
    nn.init.uniform_(step.weight, -bound, bound)
    spread = math.log(_STEP_MAX) - math.log(_STEP_MIN)
    size = torch.exp(torch.rand(step.out_features) * spread + math.log(_STEP_MIN))
    step.bias.copy_(size + torch.log(-torch.expm1(-size)))
