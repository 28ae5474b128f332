"""The scan's Triton kernels, forward and backward: one program per batch row and BLOCK channels.

A program walks the sequence with the states of its channels in registers. The backward recomputes a chunk's states
from the one stored before it, into its own scratch memory.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl


def _forward(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    y: Any,
    starts: Any,
    length: Any,
    channels: Any,
    states: Any,
    chunks: Any,
    reverse: tl.constexpr,
    keep: tl.constexpr,
    chunk_size: tl.constexpr,
    block: tl.constexpr,
    wide: tl.constexpr,
) -> None:
    """`y [B, L, D]` without the skip term; with `keep` also `starts [B, D, chunks, N]`."""
    row = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * block + tl.arange(0, block)
    n = tl.arange(0, wide)
    live_d, live_n = d < channels, n < states
    live = live_d[:, None] & live_n[None, :]
    rates = tl.load(A + d[:, None] * states + n[None, :], live, 0.0)
    h = tl.zeros((block, wide), tl.float32)
    for i in range(length):
        t = row * length + (length - 1 - i if reverse else i)
        if keep and i % chunk_size == 0:
            at = (row * channels + d[:, None]) * chunks + i // chunk_size
            tl.store(starts + at * states + n[None, :], h, live)
        step = tl.load(delta + t * channels + d, live_d, 0.0)
        x = tl.load(u + t * channels + d, live_d, 0.0)
        b = tl.load(B + t * states + n, live_n, 0.0)
        c = tl.load(C + t * states + n, live_n, 0.0)
        h = tl.exp(step[:, None] * rates) * h + (step * x)[:, None] * b[None, :]
        tl.store(y + t * channels + d, tl.sum(h * c[None, :], 1), live_d)


def _backward(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    dy: Any,
    starts: Any,
    scratch: Any,
    du: Any,
    ddelta: Any,
    dA: Any,
    dB: Any,
    dC: Any,
    length: Any,
    channels: Any,
    states: Any,
    chunks: Any,
    reverse: tl.constexpr,
    chunk_size: tl.constexpr,
    block: tl.constexpr,
    wide: tl.constexpr,
) -> None:
    """All gradients; each program writes its part of sums over channels or rows, and the caller adds them up."""
    row = tl.program_id(0).to(tl.int64)
    blocks = tl.num_programs(1)
    program = row * blocks + tl.program_id(1)
    d = tl.program_id(1) * block + tl.arange(0, block)
    n = tl.arange(0, wide)
    live_d, live_n = d < channels, n < states
    live = live_d[:, None] & live_n[None, :]
    rates = tl.load(A + d[:, None] * states + n[None, :], live, 0.0)
    carry = tl.zeros((block, wide), tl.float32)  # gradient of the state from later steps
    grad_rates = tl.zeros((block, wide), tl.float32)
    own = scratch + program * chunk_size * block * wide + tl.arange(0, block)[:, None] * wide + n[None, :]
    for back in range(chunks):
        chunk = chunks - 1 - back
        begin = chunk * chunk_size
        count = tl.minimum(chunk_size, length - begin)
        at = (row * channels + d[:, None]) * chunks + chunk
        h = tl.load(starts + at * states + n[None, :], live, 0.0)
        for i in range(count):
            t = row * length + (length - 1 - begin - i if reverse else begin + i)
            step = tl.load(delta + t * channels + d, live_d, 0.0)
            x = tl.load(u + t * channels + d, live_d, 0.0)
            b = tl.load(B + t * states + n, live_n, 0.0)
            tl.store(own + i * block * wide, h)
            h = tl.exp(step[:, None] * rates) * h + (step * x)[:, None] * b[None, :]
        tl.debug_barrier()  # with differing layouts, other threads read the scratch than wrote it
        for j in range(count):
            i = count - 1 - j
            t = row * length + (length - 1 - begin - i if reverse else begin + i)
            step = tl.load(delta + t * channels + d, live_d, 0.0)
            x = tl.load(u + t * channels + d, live_d, 0.0)
            g = tl.load(dy + t * channels + d, live_d, 0.0)
            b = tl.load(B + t * states + n, live_n, 0.0)
            c = tl.load(C + t * states + n, live_n, 0.0)
            before = tl.load(own + i * block * wide)
            decay = tl.exp(step[:, None] * rates)
            h = decay * before + (step * x)[:, None] * b[None, :]
            grad = carry + g[:, None] * c[None, :]
            part = (t * blocks + tl.program_id(1)) * states + n
            tl.store(dC + part, tl.sum(g[:, None] * h, 0), live_n)
            tl.store(dB + part, tl.sum(grad * (step * x)[:, None], 0), live_n)
            inflow = tl.sum(grad * b[None, :], 1)
            carry = grad * decay
            exponent = carry * before
            grad_rates += exponent * step[:, None]
            tl.store(du + t * channels + d, inflow * step, live_d)
            tl.store(ddelta + t * channels + d, tl.sum(exponent * rates, 1) + inflow * x, live_d)
        tl.debug_barrier()  # the next chunk overwrites the scratch
    tl.store(dA + (row * channels + d[:, None]) * states + n[None, :], grad_rates, live)


forward_kernel = triton.jit(_forward)
backward_kernel = triton.jit(_backward)
