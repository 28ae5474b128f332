"""The short convolution's loops for numba: depthwise, causal either way, with SiLU, channel-last.

Input rows may be slices of wider ones (the projection's output includes the gate), so the input is one flat array with
its strides. Each call is single-threaded over spans of SPAN steps, `first` to `last`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mobile_videogpt.scan.numba_math import compiled, sigmoid

SPAN = 64

Array = NDArray[np.float32]


def span_count(batch: int, length: int) -> int:
    """Spans of a `[batch, length, D]` convolution."""
    return batch * (-(-length // SPAN))


def _forward(
    u: Array,
    row_stride: int,
    step_stride: int,
    weight: Array,
    bias: Array,
    reverse: bool,
    y: Array,
    first: int,
    last: int,
) -> None:
    """Writes `y = silu(conv(u) + bias)`; `weight` is `[taps, D]`, its last row is for the present step."""
    _, length, channels = y.shape
    taps = weight.shape[0]
    per_row = (length + SPAN - 1) // SPAN
    for span in range(first, last):
        row, begin = span // per_row, (span % per_row) * SPAN
        for t in range(begin, min(begin + SPAN, length)):
            out = y[row, t]
            for j in range(channels):
                out[j] = bias[j]
            for k in range(taps):
                past = t + (taps - 1 - k) if reverse else t - (taps - 1 - k)
                if 0 <= past < length:
                    at = row * row_stride + past * step_stride
                    source, w = u[at : at + channels], weight[k]
                    for j in range(channels):
                        out[j] += source[j] * w[j]
            for j in range(channels):
                out[j] *= sigmoid(out[j])


conv_forward = compiled(_forward)


def _backward_inner(
    u: Array,
    row_stride: int,
    step_stride: int,
    weight: Array,
    bias: Array,
    reverse: bool,
    dy: Array,
    first: int,
    last: int,
    dpre: Array,
    dweight: Array,
    dbias: Array,
) -> None:
    """Writes `dpre`, the gradient before SiLU; adds to dweight and dbias, which are this thread's own."""
    _, length, channels = dy.shape
    taps = weight.shape[0]
    per_row = (length + SPAN - 1) // SPAN
    one = np.float32(1.0)
    for span in range(first, last):
        row, begin = span // per_row, (span % per_row) * SPAN
        for t in range(begin, min(begin + SPAN, length)):
            out = dpre[row, t]
            for j in range(channels):
                out[j] = bias[j]
            for k in range(taps):
                past = t + (taps - 1 - k) if reverse else t - (taps - 1 - k)
                if 0 <= past < length:
                    at = row * row_stride + past * step_stride
                    source, w = u[at : at + channels], weight[k]
                    for j in range(channels):
                        out[j] += source[j] * w[j]
            for j in range(channels):
                s = sigmoid(out[j])
                out[j] = dy[row, t, j] * s * (one + out[j] * (one - s))
                dbias[j] += out[j]
            for k in range(taps):
                past = t + (taps - 1 - k) if reverse else t - (taps - 1 - k)
                if 0 <= past < length:
                    at = row * row_stride + past * step_stride
                    source, dw = u[at : at + channels], dweight[k]
                    for j in range(channels):
                        dw[j] += source[j] * out[j]


def _backward_input(dpre: Array, weight: Array, reverse: bool, du: Array, first: int, last: int) -> None:
    """Writes du, the convolution of `dpre` with the same taps in the other direction."""
    _, length, channels = dpre.shape
    taps = weight.shape[0]
    per_row = (length + SPAN - 1) // SPAN
    for span in range(first, last):
        row, begin = span // per_row, (span % per_row) * SPAN
        for t in range(begin, min(begin + SPAN, length)):
            out = du[row, t]
            for j in range(channels):
                out[j] = np.float32(0.0)
            for k in range(taps):
                later = t - (taps - 1 - k) if reverse else t + (taps - 1 - k)
                if 0 <= later < length:
                    source, w = dpre[row, later], weight[k]
                    for j in range(channels):
                        out[j] += source[j] * w[j]


conv_backward_inner = compiled(_backward_inner)
conv_backward_input = compiled(_backward_input)
