"""Mistakes of published implementations fail the parity checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mobile_videogpt import videomamba
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.projector import pool_grid
from mobile_videogpt.vision import VisionHalf
from tests.parity import checks
from tests.parity.golden import Golden

Patch = Callable[[pytest.MonkeyPatch], None]


def _without_backward_direction(patch: pytest.MonkeyPatch) -> None:
    direction = videomamba.BidirectionalMixer._direction

    def forward_only(self: videomamba.BidirectionalMixer, *args: Tensor, reverse: bool) -> Tensor:
        out = direction(self, *args, reverse=reverse)
        return torch.zeros_like(out) if reverse else out

    patch.setattr(videomamba.BidirectionalMixer, "_direction", forward_only)


def _without_d(patch: pytest.MonkeyPatch) -> None:
    scan = videomamba.selective_scan

    def no_skip(*args: Tensor, reverse: bool) -> Tensor:
        return scan(*args[:-1], torch.zeros_like(args[-1]), reverse=reverse)

    patch.setattr(videomamba, "selective_scan", no_skip)


def _without_conv_bias(patch: pytest.MonkeyPatch) -> None:
    conv = videomamba.causal_conv_silu

    def no_bias(u: Tensor, weight: Tensor, bias: Tensor, *, reverse: bool) -> Tensor:
        return conv(u, weight, torch.zeros_like(bias), reverse=reverse)

    patch.setattr(videomamba, "causal_conv_silu", no_bias)


def _without_regrouping(patch: pytest.MonkeyPatch) -> None:
    def per_position(self: VisionHalf, tokens: Tensor) -> Tensor:
        """Projects each frame's 7 x 7 grid and averages a group over time, which the weights do not expect."""
        frames = self.grouped(tokens).unflatten(2, (self.config.num_select_k, -1))  # [B, G, k, 49, W]
        flat = frames.flatten(0, 2)
        video = self.mm_projector(pool_grid(flat, 7)).unflatten(0, frames.shape[:3])
        return video.mean(2).flatten(1, 2)

    patch.setattr(VisionHalf, "project_video", per_position)


_TOWER_MUTATIONS: list[Patch] = [_without_backward_direction, _without_d, _without_conv_bias]


@pytest.mark.parametrize("mutate", _TOWER_MUTATIONS)
@pytest.mark.parametrize("check", [checks.check_mixer, checks.check_videomamba_blocks, checks.check_videomamba_output])
def test_mutated_tower_fails_its_checks(
    mutate: Patch,
    check: Callable[[VisionHalf, Golden], None],
    model: MobileVideoGPT,
    golden: Golden,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(model.require_vision(), golden)


@pytest.mark.parametrize("mutate", [*_TOWER_MUTATIONS, _without_regrouping])
@pytest.mark.parametrize("check", [checks.check_clip_tokens, checks.check_chunk_tokens])
def test_mutated_path_fails_its_checks(
    mutate: Patch,
    check: Callable[[MobileVideoGPT, Golden], None],
    model: MobileVideoGPT,
    golden: Golden,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(model, golden)
