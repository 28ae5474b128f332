"""Tells which prototype a repetition is like: good, a taught mistake, or neither clearly. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.taught.alignment import warped
from cornerman_pose.taught.exercise import Prototype, TaughtExercise, TaughtMistake
from cornerman_pose.taught.metric import PLACE, WAY, learning_weights

Array = NDArray[np.float64]

MARGIN: Final = 0.1
"""So near to the middle between good and a mistake nothing is said."""

BEYOND: Final = 0.7
"""So far past either of them a repetition is like neither."""

_TEMPO: Final = 0.25
"""Spread of the logarithm of a repetition's duration."""

_DOUBT: Final = 0.7
"""Differences of prototypes below this many standard deviations are chance."""

_SURE: Final = 12.0


@dataclass(frozen=True, slots=True)
class TaughtVerdict:
    """What a repetition is like.

    Attributes:
        mistake: None = none of them.
        probability: of the mistake.
        judged: it is clearly like one of the prototypes; False = nothing is said.
        towards: for each mistake where the repetition lies on the way from good (0) to it (1).
    """

    mistake: TaughtMistake | None
    probability: float
    judged: bool
    towards: tuple[float, ...]


def judge(exercise: TaughtExercise, rows: Array, seconds: float) -> TaughtVerdict:
    """Compares one repetition with those shown.

    Args:
        exercise: with its prototypes.
        rows: [T, D] embedded frames of the repetition.
        seconds: its duration.
    """
    towards = tuple(_towards(exercise.good, one.prototype, rows, seconds) for one in exercise.mistakes)
    if not towards:
        return TaughtVerdict(None, 0.0, True, ())
    most = int(np.argmax(towards))
    value = towards[most]
    probability = float(1.0 / (1.0 + np.exp(np.clip(-_SURE * (value - 0.5), -60, 60))))
    unlike = value > 1.0 + BEYOND or value < -BEYOND
    if abs(value - 0.5) < MARGIN or unlike:
        return TaughtVerdict(None, probability, False, towards)
    return TaughtVerdict(exercise.mistakes[most] if value > 0.5 else None, probability, True, towards)


def _towards(good: Prototype, wrong: Prototype, rows: Array, seconds: float) -> float:
    weights = learning_weights()
    g, w = (_described(one.steps, float(np.sqrt(one.seconds[0] * one.seconds[1]))) for one in (good, wrong))
    like_g = _described(warped(rows, good.steps, weights), seconds)
    like_w = _described(warped(rows, wrong.steps, weights), seconds)
    counts = _counts(g, w, good.spread, wrong.spread)
    apart = float(counts @ np.square(w - g))
    return float((counts @ np.square(like_g - g) - counts @ np.square(like_w - w) + apart) / (2 * max(apart, 1e-9)))


def _described(steps: Array, seconds: float) -> Array:
    """Poses, ways from the pose between repetitions, and tempo, as one vector."""
    way = steps - steps[[0, -1]].mean(0)
    return np.concatenate([steps.ravel(), way.ravel(), [np.log(max(seconds, 0.1))]])


def _counts(g: Array, w: Array, spread_g: Array, spread_w: Array) -> Array:
    """Weights of squared differences: what tells the two prototypes apart, in parts of its variance."""
    steps = (len(g) - 1) // (2 * len(WAY))
    inner = (np.square(spread_g) + np.square(spread_w)) / 2
    variance = np.concatenate([np.tile(inner + PLACE**2, steps), np.tile(inner + WAY**2, steps), [_TEMPO**2 / steps]])
    z = np.abs(w - g) / np.sqrt(variance)
    kept = np.maximum(z - min(_DOUBT, 0.5 * float(z.max())), 0.0)
    weights: Array = kept / np.maximum(z, 1e-9) / variance
    return weights
