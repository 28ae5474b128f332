"""The scan's loops for numba, over blocks of channels whose states fit in the first-level cache.

Every kernel runs single-threaded over blocks `first` to `last` and releases the GIL; `numba_scan` distributes the
blocks over threads. A block is one batch row and WIDTH channels: channels are contiguous in memory, so the inner loops
over them become vector code. Imports no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mobile_videogpt.scan.numba_math import LOG2E, compiled, exp2, softplus

WIDTH = 64  # channels a block: four 512-bit vectors or eight of 256 bits
CHUNK = 32  # steps between stored states; CHUNK * N * WIDTH floats fit in the second-level cache

Array = NDArray[np.float32]


def block_count(batch: int, channels: int) -> int:
    """Blocks of a `[batch, L, channels]` scan."""
    return batch * (-(-channels // WIDTH))


def _forward(
    u: Array,
    step: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    y: Array,
    starts: Array,
    reverse: bool,
    first: int,
    last: int,
) -> None:
    """Writes y and, unless `starts` is empty, the state before every chunk, `[blocks, chunks, N, WIDTH]`."""
    length, channels = u.shape[1:]
    states = A.shape[1]
    per_row = (channels + WIDTH - 1) // WIDTH
    keep = starts.shape[0] > 0
    h = np.empty((states, WIDTH), np.float32)
    rates = np.empty((states, WIDTH), np.float32)
    delta, inflow, out = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    for block in range(first, last):
        row, low = block // per_row, (block % per_row) * WIDTH
        width = min(WIDTH, channels - low)
        h[:] = np.float32(0.0)
        for n in range(states):
            for j in range(width):
                rates[n, j] = A[low + j, n] * LOG2E
        for i in range(length):
            t = length - 1 - i if reverse else i
            if keep and i % CHUNK == 0:  # only training reads `starts`
                starts[block, i // CHUNK] = h
            for j in range(width):
                x = u[row, t, low + j]
                delta[j] = softplus(step[row, t, low + j])
                inflow[j] = delta[j] * x
                out[j] = D[low + j] * x
            for n in range(states):
                b, c = B[row, t, n], C[row, t, n]
                for j in range(width):
                    s = exp2(delta[j] * rates[n, j]) * h[n, j] + inflow[j] * b
                    h[n, j] = s
                    out[j] += s * c
            for j in range(width):
                y[row, t, low + j] = out[j]


scan_forward = compiled(_forward)


def _recompute(
    u: Array,
    step: Array,
    A: Array,
    B: Array,
    reverse: bool,
    row: int,
    low: int,
    width: int,
    begin: int,
    count: int,
    hs: Array,
    decays: Array,
    deltas: Array,
) -> None:
    """Writes states `hs[1:]`, decays and steps of one chunk, from the state `hs[0]` before it."""
    length, states = u.shape[1], A.shape[1]
    inflow = np.empty(WIDTH, np.float32)
    rates = np.empty((states, WIDTH), np.float32)
    for n in range(states):
        for j in range(width):
            rates[n, j] = A[low + j, n] * LOG2E
    for i in range(count):
        t = length - 1 - (begin + i) if reverse else begin + i
        for j in range(width):
            deltas[i, j] = softplus(step[row, t, low + j])
            inflow[j] = deltas[i, j] * u[row, t, low + j]
        for n in range(states):
            b = B[row, t, n]
            for j in range(width):
                a = exp2(deltas[i, j] * rates[n, j])
                decays[i, n, j] = a
                hs[i + 1, n, j] = a * hs[i, n, j] + inflow[j] * b


recompute = compiled(_recompute)


def _backward(
    u: Array,
    step: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    dy: Array,
    starts: Array,
    reverse: bool,
    first: int,
    last: int,
    du: Array,
    ddelta: Array,
    dA: Array,
    dB: Array,
    dC: Array,
    dD: Array,
) -> None:
    """Writes du and ddelta of the blocks; adds to dA, dB, dC and dD, which are this thread's own."""
    length, channels = u.shape[1:]
    states = A.shape[1]
    per_row = (channels + WIDTH - 1) // WIDTH
    hs = np.empty((CHUNK + 1, states, WIDTH), np.float32)
    decays = np.empty((CHUNK, states, WIDTH), np.float32)
    deltas = np.empty((CHUNK, WIDTH), np.float32)
    carry = np.empty((states, WIDTH), np.float32)  # gradient of the state from later steps
    rates = np.empty((states, WIDTH), np.float32)
    grad_rates = np.empty((states, WIDTH), np.float32)
    g, x = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    inflow, exponent = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    for block in range(first, last):
        row, low = block // per_row, (block % per_row) * WIDTH
        width = min(WIDTH, channels - low)
        carry[:] = np.float32(0.0)
        grad_rates[:] = np.float32(0.0)
        for n in range(states):
            for j in range(width):
                rates[n, j] = A[low + j, n]
        for chunk in range((length - 1) // CHUNK, -1, -1):
            begin = chunk * CHUNK
            count = min(CHUNK, length - begin)
            hs[0] = starts[block, chunk]
            recompute(u, step, A, B, reverse, row, low, width, begin, count, hs, decays, deltas)
            for i in range(count - 1, -1, -1):
                t = length - 1 - (begin + i) if reverse else begin + i
                for j in range(width):
                    g[j] = dy[row, t, low + j]
                    x[j] = u[row, t, low + j]
                    inflow[j] = np.float32(0.0)
                    exponent[j] = np.float32(0.0)
                for n in range(states):
                    b, c = B[row, t, n], C[row, t, n]
                    sum_b, sum_c = np.float32(0.0), np.float32(0.0)
                    for j in range(width):
                        grad = carry[n, j] + g[j] * c
                        sum_c += g[j] * hs[i + 1, n, j]
                        sum_b += grad * deltas[i, j] * x[j]
                        inflow[j] += grad * b
                        grad *= decays[i, n, j]
                        carry[n, j] = grad
                        grad *= hs[i, n, j]
                        exponent[j] += grad * rates[n, j]
                        grad_rates[n, j] += grad * deltas[i, j]
                    dB[row, t, n] += sum_b
                    dC[row, t, n] += sum_c
                for j in range(width):
                    du[row, t, low + j] = inflow[j] * deltas[i, j] + D[low + j] * g[j]
                    ddelta[row, t, low + j] = exponent[j] + inflow[j] * x[j]
                    dD[low + j] += g[j] * x[j]
        for n in range(states):
            for j in range(width):
                dA[low + j, n] += grad_rates[n, j]


# The exponentials are in `recompute`: reassociation, needed here for the two sums, breaks them.
scan_backward = compiled(_backward, reassociate=True)
