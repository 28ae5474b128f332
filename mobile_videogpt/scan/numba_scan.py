"""The scan and its convolution on the CPU through numba, with their own backward.

Distributes the kernels' blocks over as many threads as torch uses. Threads live for one call: numba's own pools are not
safe to enter from several threads, and a pool of ours does not survive a fork.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mobile_videogpt.scan.numba_conv import conv_backward_inner, conv_backward_input, conv_forward, span_count
from mobile_videogpt.scan.numba_kernels import CHUNK, WIDTH, block_count, scan_backward, scan_forward

# Starting a thread costs about 50 us; below this many updates of a state one thread is as fast.
_UPDATES_PER_THREAD = 1 << 18

_CONV_UPDATES = 2  # a convolution's output costs about as much as two updates
_NO_STATES = np.empty((0, 0, 0, 0), np.float32)


def _spread(work: Callable[[int, int, int], None], count: int, updates: int) -> None:
    """Calls `work(slot, first, last)` over `range(count)`, one contiguous share a thread."""
    shares = thread_count(count, updates)
    edges = [count * i // shares for i in range(shares + 1)]
    others = [threading.Thread(target=work, args=(slot, edges[slot], edges[slot + 1])) for slot in range(1, shares)]
    for thread in others:
        thread.start()
    # The first share runs in the calling thread; the kernels release the GIL.
    work(0, edges[0], edges[1])
    for thread in others:
        thread.join()


def thread_count(count: int, updates: int) -> int:
    """Threads worth starting for `count` blocks of `updates` state updates in all."""
    return max(1, min(torch.get_num_threads(), count, updates // _UPDATES_PER_THREAD))


def numba_scan(u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False) -> Tensor:
    """Shapes and meaning as in `selective_scan`; CPU tensors only."""
    tensors = [x.float().contiguous() for x in (u, step, A, B, C, D)]
    if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
        y: Tensor = _Scan.apply(*tensors, reverse)  # type: ignore[no-untyped-call]
    else:
        y = _run(tensors, reverse, _NO_STATES)
    return y.to(u.dtype)


def _arrays(*tensors: Tensor) -> list[Any]:
    return [x.detach().numpy() for x in tensors]


def _run(tensors: list[Tensor], reverse: bool, starts: Any) -> Tensor:
    y = torch.empty_like(tensors[0])
    arrays = _arrays(*tensors, y)
    _spread(
        lambda _, first, last: scan_forward(*arrays, starts, reverse, first, last),
        block_count(y.shape[0], y.shape[2]),
        y.numel() * tensors[2].shape[1],
    )
    return y


class _Scan(torch.autograd.Function):
    """The whole scan, skip term included; stores the state before every chunk and nothing per step."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *tensors, reverse = inputs
        u, A = tensors[0], tensors[2]
        chunks = -(-u.shape[1] // CHUNK)
        starts = u.new_empty(block_count(u.shape[0], u.shape[2]), chunks, A.shape[1], WIDTH)
        ctx.reverse = reverse
        ctx.save_for_backward(*tensors, starts)
        return _run(tensors, reverse, starts.numpy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, step, A, B, C, D, starts = ctx.saved_tensors
        count, updates = block_count(u.shape[0], u.shape[2]), u.numel() * A.shape[1]
        slots = thread_count(count, updates)
        du, ddelta = torch.empty_like(u), torch.empty_like(step)
        # Sums over channels or steps: one buffer a thread, added up at the end.
        shared = [x.new_zeros(slots, *x.shape) for x in (A, B, C, D)]
        arrays = _arrays(u, step, A, B, C, D, dy.contiguous(), starts)
        own, sums = _arrays(du, ddelta), _arrays(*shared)

        def work(slot: int, first: int, last: int) -> None:
            scan_backward(*arrays, ctx.reverse, first, last, *own, *(x[slot] for x in sums))

        _spread(work, count, updates)
        dA, dB, dC, dD = (x.sum(0) for x in shared)
        return du, ddelta.mul_(torch.sigmoid(step)), dA, dB, dC, dD, None


def numba_conv_silu(u: Tensor, weight: Tensor, bias: Tensor, *, reverse: bool = False) -> Tensor:
    """Shapes and meaning as in `causal_conv_silu`; CPU tensors only."""
    y: Tensor = _ConvSilu.apply(u.float(), weight.float(), bias.float(), reverse)  # type: ignore[no-untyped-call]
    return y.to(u.dtype)


class _ConvSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, weight: Tensor, bias: Tensor, reverse: bool) -> Tensor:
        u = u if u.stride(2) == 1 else u.contiguous()
        taps = weight[:, 0].t().contiguous()  # [taps, D]
        y = u.new_empty(u.shape)
        ctx.reverse = reverse
        ctx.save_for_backward(u, taps, bias)
        arrays, out = [*_flat(u), *_arrays(taps, bias.contiguous())], y.numpy()
        _spread(
            lambda _, first, last: conv_forward(*arrays, reverse, out, first, last),
            span_count(*u.shape[:2]),
            _CONV_UPDATES * y.numel(),
        )
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        u, taps, bias = ctx.saved_tensors
        count, updates = span_count(*u.shape[:2]), _CONV_UPDATES * u.numel()
        slots = thread_count(count, updates)
        dpre, du = torch.empty_like(dy), torch.empty_like(dy)
        dtaps, dbias = taps.new_zeros(slots, *taps.shape), bias.new_zeros(slots, *bias.shape)
        arrays = [*_flat(u), *_arrays(taps, bias.contiguous())]
        before, after, given, sum_w, sum_b = _arrays(dpre, du, dy.contiguous(), dtaps, dbias)

        def inner(slot: int, first: int, last: int) -> None:
            conv_backward_inner(*arrays, ctx.reverse, given, first, last, before, sum_w[slot], sum_b[slot])

        _spread(inner, count, updates)
        weights = taps.numpy()
        _spread(
            lambda _, first, last: conv_backward_input(before, weights, ctx.reverse, after, first, last),
            count,
            updates,
        )
        return du, dtaps.sum(0).t()[:, None], dbias.sum(0), None


def _flat(u: Tensor) -> tuple[Any, int, int]:
    """The memory of `u [B, L, D]` with dense channels as one flat array, and the strides of B and L."""
    (batch, length, channels), (row, step, _) = u.shape, u.stride()
    extent = (batch - 1) * row + (length - 1) * step + channels
    return u.detach().as_strided((extent,), (1,)).numpy(), row, step
