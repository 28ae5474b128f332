"""The scan by its definition, one Python step per token. Used by tests and benchmarks only.

Every other back end is compared with it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def naive_scan(u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False) -> Tensor:
    """`h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t`, `y_t = h_t C_t + D u_t`; see `selective_scan`."""
    dtype = u.dtype
    u, step, A, B, C, D = (x.float() for x in (u, step, A, B, C, D))
    delta = torch.nn.functional.softplus(step)
    batch, length, channels = u.shape
    h = u.new_zeros(batch, channels, A.shape[1])
    outputs = [u.new_empty(0)] * length
    for t in reversed(range(length)) if reverse else range(length):
        decay = torch.exp(delta[:, t, :, None] * A)  # [B, D, N]
        h = decay * h + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        outputs[t] = (h * C[:, t, None]).sum(-1) + D * u[:, t]
    return torch.stack(outputs, dim=1).to(dtype)


def naive_conv_silu(u: Tensor, weight: Tensor, bias: Tensor, *, reverse: bool = False) -> Tensor:
    """SiLU of a causal depthwise convolution, by its definition; shapes as in `causal_conv_silu`."""
    if reverse:
        return naive_conv_silu(u.flip(1), weight, bias).flip(1)
    taps = weight.shape[-1]
    rows = []
    for t in range(u.shape[1]):
        total = bias.expand(u.shape[0], -1)
        for k in range(taps):
            past = t - (taps - 1 - k)
            if past >= 0:
                total = total + u[:, past] * weight[:, 0, k]
        rows.append(total)
    return torch.nn.functional.silu(torch.stack(rows, dim=1))
