"""Repetitions of different tempo brought to the same steps: resampling, time warping, barycentres. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEPS: Final = 16
"""Steps of a repetition in time."""

_ROUNDS: Final = 3
_BAND: Final = 0.35
"""How far in time two repetitions may be apart at a step, as a part of both."""


def resampled(rows: Array, steps: int = STEPS) -> Array:
    """[steps, D] of [T, D], evenly in time."""
    at = np.linspace(0.0, len(rows) - 1.0, steps)
    low = np.minimum(at.astype(int), max(len(rows) - 2, 0))
    part = (at - low)[:, None]
    between: Array = rows[low] * (1.0 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part
    return between


def warped(rows: Array, onto: Array, weights: Array) -> Array:
    """[S, D]: the frames of a repetition [T, D] that belong to each step of `onto` [S, D], by dynamic time warping.

    Args:
        rows: frames of one repetition.
        onto: a prototype.
        weights: [D] of the squared differences.
    """
    rows = resampled(rows, max(len(rows), 2 * len(onto)))
    count, steps = len(rows), len(onto)
    scale = np.sqrt(weights)
    cost = np.square((rows * scale)[:, None] - (onto * scale)[None]).sum(-1)
    apart = np.abs(np.linspace(0, 1, count)[:, None] - np.linspace(0, 1, steps)[None])
    cost = np.where(apart <= _BAND, cost, np.inf)
    total = np.full((count + 1, steps + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(1, count + 1):
        for j in range(1, steps + 1):
            total[i, j] = cost[i - 1, j - 1] + min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
    out, found = np.zeros_like(onto), np.zeros(steps)
    i, j = count, steps
    while i > 0 and j > 0:
        out[j - 1] += rows[i - 1]
        found[j - 1] += 1
        back = ((i - 1, j - 1), (i - 1, j), (i, j - 1))
        i, j = min(back, key=lambda at: float(total[at]))
    return out / np.maximum(found, 1.0)[:, None]


def barycentre(repetitions: list[Array], weights: Array) -> tuple[Array, Array]:
    """The mean of repetitions aligned in time [S, D], and all of them aligned to it [R, S, D].

    Args:
        repetitions: [T, D] each.
        weights: [D] of the squared differences.
    """
    mean = np.mean([resampled(rows) for rows in repetitions], axis=0)
    aligned = np.zeros((0, *mean.shape))
    for _ in range(_ROUNDS):
        aligned = np.stack([warped(rows, mean, weights) for rows in repetitions])
        mean = aligned.mean(0)
    return mean, aligned
