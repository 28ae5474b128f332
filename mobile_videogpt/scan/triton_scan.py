"""The scan on CUDA through our Triton kernels, with their own backward."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobile_videogpt.scan.triton_kernels import backward_kernel, forward_kernel

CHUNK = 32  # steps between stored states
BLOCK = 16  # channels per program: few, because many programs are needed to fill the device


def triton_scan(
    u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False
) -> Tensor:
    """Shapes and meaning as in `selective_scan`."""
    dtype = u.dtype
    u, step, A, B, C, D = (x.float().contiguous() for x in (u, step, A, B, C, D))
    inputs = (u, F.softplus(step), A, B, C)
    if torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
        y: Tensor = _Scan.apply(*inputs, reverse)  # type: ignore[no-untyped-call]
    else:
        y = _run(inputs, reverse, None)
    return torch.addcmul(y, u, D).to(dtype)


def _sizes(u: Tensor, A: Tensor) -> tuple[tuple[int, int], tuple[int, int, int, int], int]:
    """Grid, `(L, D, N, chunks)`, and N rounded up to a power of two."""
    batch, length, channels = u.shape
    states = A.shape[1]
    grid = (batch, -(-channels // BLOCK))
    return grid, (length, channels, states, -(-length // CHUNK)), 1 << (states - 1).bit_length()


def _run(inputs: tuple[Tensor, ...], reverse: bool, starts: Tensor | None) -> Tensor:
    u, delta, A, B, C = inputs
    grid, sizes, wide = _sizes(u, A)
    y = torch.empty_like(u)
    with torch.cuda.device_of(u):  # type: ignore[no-untyped-call]
        forward_kernel[grid](
            u, delta, A, B, C, y, y if starts is None else starts, *sizes,
            reverse=reverse, keep=starts is not None, chunk_size=CHUNK, block=BLOCK, wide=wide,
        )  # fmt: skip
    return y


class _Scan(torch.autograd.Function):
    """y without the skip term; stores the state before every chunk."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool) -> Tensor:
        _, (_, channels, states, chunks), _ = _sizes(u, A)
        starts = u.new_empty(u.shape[0], channels, chunks, states)
        ctx.reverse = reverse
        ctx.save_for_backward(u, delta, A, B, C, starts)
        return _run((u, delta, A, B, C), reverse, starts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, starts = ctx.saved_tensors
        grid, sizes, wide = _sizes(u, A)
        batch, length, channels = u.shape
        states = A.shape[1]
        scratch = u.new_empty(grid[0] * grid[1], CHUNK, BLOCK, wide)
        du, ddelta = torch.empty_like(u), torch.empty_like(u)
        dA = u.new_empty(batch, channels, states)
        dB, dC = (u.new_empty(batch, length, grid[1], states) for _ in "BC")
        with torch.cuda.device_of(u):  # type: ignore[no-untyped-call]
            backward_kernel[grid](
                u, delta, A, B, C, dy.contiguous(), starts, scratch, du, ddelta, dA, dB, dC, *sizes,
                reverse=ctx.reverse, chunk_size=CHUNK, block=BLOCK, wide=wide,
            )  # fmt: skip
        return du, ddelta, dA.sum(0), dB.sum(2), dC.sum(2), None
