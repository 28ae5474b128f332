"""The scan in plain torch, on any device: vectorised over a chunk except for one fused step per token.

The backward pass stores the state at the start of every chunk only and recomputes the others, so memory grows with
`L / CHUNK`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 64


def torch_scan(u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False) -> Tensor:
    """Shapes and meaning as in `selective_scan`."""
    dtype = u.dtype
    u, step, A, B, C, D = (x.float() for x in (u, step, A, B, C, D))
    y: Tensor = _Scan.apply(u, F.softplus(step), A, B, C, reverse)  # type: ignore[no-untyped-call]
    return torch.addcmul(y, u, D).to(dtype)


def torch_conv_silu(u: Tensor, weight: Tensor, bias: Tensor, *, reverse: bool = False) -> Tensor:
    """Shapes and meaning as in `causal_conv_silu`."""
    taps = weight.shape[-1]
    padded = F.pad(u.transpose(1, 2), (0, taps - 1) if reverse else (taps - 1, 0))
    out = F.conv1d(padded, weight.flip(-1) if reverse else weight, bias, groups=weight.shape[0])
    return F.silu(out).transpose(1, 2)


def _chunks(length: int, reverse: bool) -> list[range]:
    """Ranges of time steps, in the order of the scan between and within chunks."""
    order = range(length - 1, -1, -1) if reverse else range(length)
    return [order[i : i + CHUNK] for i in range(0, length, CHUNK)]


def _span(steps: range) -> slice:
    """A chunk's steps as a forward slice."""
    low, high = min(steps[0], steps[-1]), max(steps[0], steps[-1])
    return slice(low, high + 1)


def _states(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, h: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Decays and states `[S, B, D, N]` of one chunk in time order, from the state `h [B, D, N]` before it."""
    decay = torch.exp(delta.transpose(0, 1)[..., None] * A)
    states = (delta * u).transpose(0, 1)[..., None] * B.transpose(0, 1)[:, :, None]
    for t in reversed(range(len(states))) if reverse else range(len(states)):
        h = states[t].addcmul_(decay[t], h)
    return decay, states


class _Scan(torch.autograd.Function):
    """y without the skip term."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool) -> Tensor:
        y = torch.empty_like(u)
        h = u.new_zeros(u.shape[0], u.shape[2], A.shape[1])
        starts = []
        for steps in _chunks(u.shape[1], reverse):
            at = _span(steps)
            starts.append(h)  # [B, D, N] before the chunk
            _, states = _states(u[:, at], delta[:, at], A, B[:, at], h, reverse)
            y[:, at] = torch.einsum("sbdn,bsn->bsd", states, C[:, at])
            h = states[0 if reverse else -1].clone()
        ctx.reverse = reverse
        ctx.save_for_backward(u, delta, A, B, C, torch.stack(starts))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, starts = ctx.saved_tensors
        reverse: bool = ctx.reverse
        du, ddelta, dA = torch.empty_like(u), torch.empty_like(delta), torch.zeros_like(A)
        dB, dC = torch.empty_like(B), torch.empty_like(C)
        carry = torch.zeros_like(starts[0])  # gradient of the state from later steps, [B, D, N]
        for number, steps in reversed(list(enumerate(_chunks(u.shape[1], reverse)))):
            at = _span(steps)
            uc, dc, dyc = (x[:, at].transpose(0, 1) for x in (u, delta, dy))  # [S, B, D]
            decay, states = _states(u[:, at], delta[:, at], A, B[:, at], starts[number], reverse)
            grads = dyc[..., None] * C[:, at].transpose(0, 1)[:, :, None]  # [S, B, D, N]
            for t in range(len(grads)) if reverse else reversed(range(len(grads))):
                carry = grads[t].add_(carry) * decay[t]
            dC[:, at] = torch.einsum("sbdn,sbd->bsn", states, dyc)
            dB[:, at] = torch.einsum("sbdn,sbd->bsn", grads, dc * uc)
            inflow = torch.einsum("sbdn,bsn->sbd", grads, B[:, at])  # gradient of delta * u
            first = starts[number][None]
            before = torch.cat([states[1:], first]) if reverse else torch.cat([first, states[:-1]])
            exponent = grads.mul_(before).mul_(decay)  # gradient of delta * A
            dA += torch.einsum("sbdn,sbd->dn", exponent, dc)
            ddelta[:, at] = (torch.einsum("sbdn,dn->sbd", exponent, A) + inflow * uc).transpose(0, 1)
            du[:, at] = (inflow * dc).transpose(0, 1)
        return du, ddelta, dA, dB, dC, None
