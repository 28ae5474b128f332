"""Finds the repetitions in an example of one exercise: turning points of its largest movement. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.taught.alignment import resampled

Array = NDArray[np.float64]
Span = tuple[int, int]

_PROMINENCES: Final = (0.6, 0.45, 0.3)
"""Heights of a turning point over what surrounds it, as parts of the movement's range, the clearest first."""

_LOW: Final = 0.12
"""A repetition begins and ends at this part of its height."""

_AT_ENDS: Final = 0.5
"""Cost of a cut whose repetitions are at their height where the example begins and ends."""

_SHORTEST_S: Final = 0.4
_COMPONENTS: Final = 3


def find_repetitions(rows: Array, weights: Array, wanted: int = 0, known: Sequence[Array] = ()) -> list[Span]:
    """First frame and frame after the last of each repetition.

    Args:
        rows: [T, D] embedded frames on the grid.
        weights: [D] of the squared differences.
        wanted: how many there should be; 0 = unknown. Of several ways to cut, one that gives so many is preferred.
        known: [D] directions of the movement where the exercise is known; the example's own largest ones come too, as
            a wrong repetition may move other parts more.

    Returns:
        Spans in order of time, of the cut whose repetitions are most alike; empty when nothing moves.
    """
    smooth = _smoothed(rows * np.sqrt(weights))
    best: list[Span] = []
    least = np.inf
    for signal in (*_signals(smooth), *(_smoothed(rows @ one[:, None])[:, 0] for one in known)):
        for part in _PROMINENCES:
            spans = _cut(signal, part)
            if not spans:
                continue
            cost = _unlike(smooth, spans) + (0.0 if not wanted or len(spans) == wanted else 1.0)
            cost += _AT_ENDS * _height_at_ends(signal)
            if cost < least - 1e-9:
                best, least = spans, cost
    return best


def _height_at_ends(signal: Array) -> float:
    """Height of the first and last pose in the movement's range, 0..1: an example begins and ends at rest."""
    low, high = np.percentile(signal, (4, 96))
    ends = np.mean([signal[:4].mean(), signal[-4:].mean()])
    return float(np.clip((ends - low) / max(high - low, 1e-9), 0.0, 1.0))


def _smoothed(rows: Array) -> Array:
    kernel = np.array([0.25, 0.5, 0.25])
    padded = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, i], kernel, "valid") for i in range(rows.shape[1])], axis=1)


def _signals(rows: Array) -> list[Array]:
    """Movements along the main directions, both ways round."""
    centred = rows - rows.mean(0)
    _, size, axes = np.linalg.svd(centred, full_matrices=False)
    out = []
    for i in range(min(_COMPONENTS, len(size))):
        if size[i] < 0.35 * size[0]:
            break
        signal = centred @ axes[i]
        # The pose at the ends is the one between repetitions.
        ends = np.concatenate([signal[:3], signal[-3:]]).mean()
        signal = signal if ends < np.median(np.percentile(signal, (5, 95))) else -signal
        out += [signal, -signal]
    return out


def turning_points(signal: Array, prominence: float) -> list[int]:
    """Maxima that stand out by `prominence` from the lower of what is on their two sides."""
    out: list[int] = []
    low, high, at, rising = signal[0], -np.inf, 0, False
    for i, value in enumerate(signal):
        if rising:
            if value > high:
                high, at = value, i
            elif high - value >= prominence:
                out.append(at)
                low, rising = value, False
        elif value < low:
            low = value
        elif value - low >= prominence:
            high, at, rising = value, i, True
    return out


def _cut(signal: Array, part: float) -> list[Span]:
    low, high = np.percentile(signal, (4, 96))
    tops = turning_points(np.append(signal, low), part * (high - low))
    out: list[Span] = []
    for number, top in enumerate(tops):
        before = tops[number - 1] if number else 0
        after = tops[number + 1] if number + 1 < len(tops) else len(signal) - 1
        valley_a = before + int(np.argmin(signal[before : top + 1]))
        valley_b = top + int(np.argmin(signal[top : after + 1]))
        start = _crossing(signal, top, valley_a)
        stop = _crossing(signal, top, valley_b)
        if stop - start >= _SHORTEST_S * FPS:
            out.append((start, stop + 1))
    return out


def _crossing(signal: Array, top: int, valley: int) -> int:
    """The frame nearest to the top, towards the valley, at which the signal is as low as between repetitions."""
    level = signal[valley] + _LOW * (signal[top] - signal[valley])
    step = 1 if valley > top else -1
    at = top
    while at != valley and signal[at] > level:
        at += step
    return at


def _unlike(rows: Array, spans: list[Span]) -> float:
    """Mean squared difference of the repetitions from their mean, over what moves; 1 for a single one."""
    if len(spans) < 2:
        return 1.0
    all_of = np.stack([resampled(rows[a:b]) for a, b in spans])
    inside = np.square(all_of - all_of.mean(0)).mean()
    moves = np.square(rows - rows.mean(0)).mean()
    covered = sum(b - a for a, b in spans) / len(rows)
    return float(inside / max(moves, 1e-9)) + 0.3 * (1.0 - covered)
