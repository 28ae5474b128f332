"""The temporal half in torch, for training; `cornerman_pose.temporal` runs the same net in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cornerman_pose.channels import CHANNELS
from cornerman_pose.features import COUNT, DIRECT
from cornerman_pose.movements import exercise_names, form_rules

WIDTH = 80
DILATIONS = (1, 2, 4, 8, 16, 32)
ACTIONS = ("next", "feedback", "correct")


class Outputs(NamedTuple):
    """Heads at every frame [B,T,...]: `wrong`, `observable` per mistake; `measure`, `doubt` (log scale) per channel."""

    exercise: Tensor
    phase: Tensor
    end: Tensor
    action: Tensor
    wrong: Tensor
    observable: Tensor
    measure: Tensor
    doubt: Tensor


class CausalBlock(nn.Module):
    """Residual block: RMS norm over channels, dilated causal convolution, ReLU, 1x1 convolution."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.past = 2 * dilation
        self.gain = nn.Parameter(torch.ones(1, channels, 1))
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, C, T]; frame t sees only frames up to t."""
        y = x * (x.pow(2).mean(1, keepdim=True) + 1e-5).rsqrt() * self.gain
        y = F.relu(self.conv(F.pad(y, (self.past, 0))))
        y = F.dropout(y, 0.05, self.training)
        return x + self.out(y)  # type: ignore[no-any-return]


class SkeletonNet(nn.Module):
    """Causal temporal convolutional net: features [B,T,COUNT] -> heads at every frame."""

    def __init__(self, channels: int = WIDTH) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(COUNT))
        self.register_buffer("scale", torch.ones(COUNT))
        self.stem = nn.Conv1d(COUNT, channels, 1)
        self.blocks = nn.ModuleList(CausalBlock(channels, d) for d in DILATIONS)
        rules, channels_read = len(form_rules()), len(CHANNELS)
        self.sizes = (len(exercise_names()), 2, 1, len(ACTIONS), rules, rules, channels_read, channels_read)
        self.head = nn.Conv1d(2 * channels, sum(self.sizes), 1)
        # The estimate of the channels begins as what the landmarks show.
        assert self.head.bias is not None
        torch.nn.init.zeros_(self.head.weight.data[-2 * channels_read : -channels_read])
        torch.nn.init.zeros_(self.head.bias.data[-2 * channels_read : -channels_read])

    def forward(self, features: Tensor) -> Outputs:
        """[B, T, COUNT] -> heads."""
        x = ((features - self.mean) * self.scale).clamp(-5, 5)
        first = self.stem(x.transpose(1, 2))
        x = first
        for block in self.blocks:
            x = block(x)
        y = self.head(F.relu(torch.cat([x, first], dim=1))).transpose(1, 2)
        e, p, n, a, w, o, m, d = y.split(self.sizes, dim=-1)
        return Outputs(e, p, n[..., 0], a, w, o, m + features[..., DIRECT], d)


def restore(net: SkeletonNet, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Put the arrays that `weights` gave back into a net.

    Raises:
        ValueError: they are those of a net of another shape.
    """
    with torch.no_grad():
        for name, now in weights(net).items():
            if name not in arrays or arrays[name].shape != now.shape:
                found = arrays[name].shape if name in arrays else "missing"
                raise ValueError(f"{name} is {found}, expected {now.shape}: start from weights of this release")
        given = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        net.mean.copy_(given["mean"])
        net.scale.copy_(given["scale"])
        for name, conv in (("stem", net.stem), ("head", net.head)):
            _fill(conv, given[f"{name}.weight"].T[:, :, None], given[f"{name}.bias"])
        for i, block in enumerate(net.blocks):
            assert isinstance(block, CausalBlock)
            block.gain.copy_(given[f"block{i}.gain"][None, :, None])
            taps = given[f"block{i}.conv.weight"].reshape(3, -1, block.conv.weight.shape[0])
            _fill(block.conv, taps.permute(2, 1, 0), given[f"block{i}.conv.bias"])
            _fill(block.out, given[f"block{i}.out.weight"].T[:, :, None], given[f"block{i}.out.bias"])


def _fill(conv: nn.Conv1d, weight: Tensor, bias: Tensor) -> None:
    assert conv.bias is not None
    conv.weight.copy_(weight)
    conv.bias.copy_(bias)


def weights(net: SkeletonNet) -> dict[str, NDArray[np.float32]]:
    """Arrays that `cornerman_pose.temporal.TemporalNet` reads; convolutions are [3*C, C], oldest frame first."""
    assert net.stem.bias is not None and net.head.bias is not None
    out: dict[str, Tensor] = {
        "mean": net.mean, "scale": net.scale,
        "stem.weight": net.stem.weight[:, :, 0].T, "stem.bias": net.stem.bias,
        "head.weight": net.head.weight[:, :, 0].T, "head.bias": net.head.bias,
    }  # fmt: skip
    for i, block in enumerate(net.blocks):
        assert isinstance(block, CausalBlock)
        out[f"block{i}.gain"] = block.gain[0, :, 0]
        out[f"block{i}.conv.weight"] = block.conv.weight.permute(2, 1, 0).reshape(-1, block.conv.weight.shape[0])
        out[f"block{i}.out.weight"] = block.out.weight[:, :, 0].T
        for name, conv in (("conv", block.conv), ("out", block.out)):
            assert conv.bias is not None
            out[f"block{i}.{name}.bias"] = conv.bias
    return {k: np.ascontiguousarray(v.detach().float().numpy()) for k, v in out.items()}


def widened(arrays: Mapping[str, NDArray[np.float32]], channels: int) -> dict[str, NDArray[np.float32]]:
    """Weights of a net of `channels` channels that computes what a narrower one does (Net2Net; Chen et al., 2016).

    New channels begin at zero. They learn from what new hidden units, drawn by torch's seed, make of the old ones.

    Raises:
        ValueError: the net is wider than that.
    """
    old = arrays["stem.weight"].shape[1]
    if old > channels:
        raise ValueError(f"the weights to go on from have {old} channels, the plan {channels}: take a wider plan")
    if old == channels:
        return dict(arrays)
    out = weights(SkeletonNet(channels))
    # The norm is over all channels, of which the new ones are zero.
    gain = np.float32(np.sqrt(old / channels))
    for name, now in out.items():
        given, kind = arrays[name], name.partition(".")[2]
        if now.shape == given.shape:
            out[name] = given
        elif kind == "gain":
            now[:] = gain
            now[:old] = given * gain
        elif kind == "conv.weight":
            taps = now.reshape(3, channels, channels)
            taps[:, :, :old] = 0.0
            taps[:, :old, :old] = given.reshape(3, old, old)
        elif kind == "conv.bias":
            now[:old] = given
        elif name == "head.weight":
            now[:] = 0.0
            now[:old], now[channels : channels + old] = given[:old], given[old:]
        else:
            now[:] = 0.0
            now[tuple(slice(size) for size in given.shape)] = given
    return out | {name: array for name, array in arrays.items() if name not in out}
