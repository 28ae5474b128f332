"""Follows how far a repetition has gone: one number a frame, with its valleys and tops. Pure, causal."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.taught.exercise import TaughtExercise
from cornerman_pose.taught.metric import way_weights

Array = NDArray[np.float64]

RISE: Final = 0.4
"""A repetition goes so far at least, as a part of those that were shown."""

FALL: Final = 0.6
"""It comes so far back, as a part of its own height."""

_LOW: Final = 0.12  # begins and ends at this part of its height, as in the examples
_AGAIN: Final = 0.12  # a rise by this part of the height begins the next one
_WAIT: Final = 3  # frames in which it comes no lower
_FRAMES: Final = 256


@dataclass(frozen=True, slots=True)
class Turn:
    """A rise and a fall: numbers of its first and its last frame."""

    first: int
    last: int


def progress_axis(exercise: TaughtExercise) -> Array:
    """[D] weights of the one number: 0 between repetitions, 1 at the height of those that were shown.

    The largest direction of movement of all prototypes, in parts of the noise.
    """
    scale = np.sqrt(way_weights(exercise.good))
    ways = [(one.steps - one.steps[[0, -1]].mean(0)) * scale for one in exercise.prototypes]
    axis = np.linalg.svd(np.concatenate(ways), full_matrices=False)[2][0]
    signals = [way @ axis for way in ways]
    height = min(float(np.ptp(signal)) for signal in signals)
    sign = 1.0 if np.mean([signal.mean() for signal in signals]) >= 0 else -1.0
    weights: Array = sign * axis * scale / max(height, 1e-6)
    return weights


class ProgressFollower:
    """Follows one movement. A valley is relative to what came before, so that a slow change of the pose does no harm.

    Args:
        weights: [D] as of `progress_axis`.
    """

    def __init__(self, weights: Array) -> None:
        self._weights = weights
        self.forget()

    def forget(self) -> None:
        """Begins again."""
        self._past: deque[tuple[int, float]] = deque(maxlen=_FRAMES)
        self._low, self._top = (0, np.inf), (0, -np.inf)
        self._bottom: tuple[int, float] | None = None
        self._rising = False

    @property
    def height(self) -> float:
        """Of the present frame over the last valley; 1 is the top of those that were shown."""
        return self._past[-1][1] - self._low[1] if self._past else 0.0

    @property
    def since(self) -> int | None:
        """The first frame of the repetition under way; None between repetitions."""
        return self._low[0] if self._rising else None

    @property
    def phase(self) -> float:
        """0..1 of the repetition under way: the top is in the middle."""
        part = float(np.clip(self.height, 0.0, 1.0)) / 2
        return 1.0 - part if self._rising and self._past[-1][1] < self._top[1] else part

    def push(self, row: Array, number: int) -> Turn | None:
        """A rise and a fall that end about now.

        Args:
            row: [D] embedded frame.
            number: of the frame; they ascend.
        """
        at = (number, float(row @ self._weights))
        self._past.append(at)
        if not self._rising:
            if at[1] <= self._low[1]:
                self._low = at
            elif at[1] - self._low[1] >= RISE:
                self._rising, self._top, self._bottom = True, at, None
            return None
        if self._bottom is None:
            self._top = at if at[1] > self._top[1] else self._top
            if self._top[1] - at[1] >= FALL * (self._top[1] - self._low[1]):
                self._bottom = at
            return None
        if at[1] <= self._bottom[1]:
            self._bottom = at
        return self._ended(at, self._bottom)

    def _ended(self, at: tuple[int, float], bottom: tuple[int, float]) -> Turn | None:
        low, top = self._low, self._top
        height = top[1] - low[1]
        back = at[1] <= low[1] + _LOW * height
        if not back and at[1] - bottom[1] <= _AGAIN * height and at[0] - bottom[0] < _WAIT:
            return None
        before = [one for one in reversed(self._past) if low[0] <= one[0] <= top[0]]
        after = [one for one in self._past if top[0] <= one[0] <= bottom[0]]
        turn = Turn(
            _crossing(before, low[1] + _LOW * height), _crossing(after, bottom[1] + _LOW * (top[1] - bottom[1]))
        )
        self._rising, self._low = False, bottom
        return turn


def _crossing(way: list[tuple[int, float]], level: float) -> int:
    """The first frame of a way down that is as low as the level."""
    above = len(list(takewhile(lambda one: one[1] > level, way)))
    return way[min(above, len(way) - 1)][0]
