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

NAMED: Final = 0.45
"""From here on the way from good to a mistake, the mistake is named."""

MARGIN: Final = 0.1
"""So little below `NAMED` nothing is said: neither the mistake, nor that the repetition was good."""

BEYOND: Final = 0.3
"""So far on the other side of good a repetition is like neither."""

_CLIP: Final = (-0.5, 1.5)
"""Range of a number's vote: one that is far from both prototypes, as an arm that moves freely, does not decide."""

_PLACE: Final = 0.8
"""Part of `PLACE` that counts as noise: one person at one camera often teaches and is watched."""

_AGAIN: Final = 4.0
"""Variance of later repetitions, as a part of that between those of one example."""

_TEMPO: Final = 0.25
"""Spread of the logarithm of a repetition's duration."""

_DOUBT: Final = 0.35
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
    places = tuple(towards(exercise.good, one.prototype, rows, seconds) for one in exercise.mistakes)
    if not places:
        return TaughtVerdict(None, 0.0, True, ())
    most = int(np.argmax(places))
    value = places[most]
    probability = float(1.0 / (1.0 + np.exp(-_SURE * (value - NAMED))))
    if value > NAMED:
        return TaughtVerdict(exercise.mistakes[most], probability, True, places)
    return TaughtVerdict(None, probability, -BEYOND < value < NAMED - MARGIN, places)


def towards(good: Prototype, wrong: Prototype, rows: Array, seconds: float) -> float:
    """Where a repetition [T, D] lies on the way from good (0) to wrong (1).

    Each number of a pose votes, as does its way from the pose between repetitions, and the tempo; those count most
    that tell the prototypes apart in parts of their noise.
    """
    weights = learning_weights()
    middle = (good.steps + wrong.steps) / 2
    a, b, x = (_described(warped(steps, middle, weights)) for steps in (good.steps, wrong.steps, rows))  # [2, S, D]
    within = _AGAIN * (np.square(good.spread) + np.square(wrong.spread)) / 2
    variance = within + np.stack([np.square(_PLACE * PLACE), np.square(WAY)])[:, None]  # [2, 1, D]
    tempo_a, tempo_b = (0.5 * float(np.log(one.seconds[0] * one.seconds[1])) for one in (good, wrong))
    tempo = (tempo_b - tempo_a) / _TEMPO
    z = np.abs(b - a) / np.sqrt(variance)
    largest = max(float(z.max()), abs(tempo))
    doubt = min(_DOUBT, 0.5 * largest)
    counts = np.maximum(z - doubt, 0.0) / np.maximum(z, 1e-9) / variance
    difference = b - a
    shares = (counts * np.square(difference)).sum(1).ravel()  # [2 D]
    places = (counts * difference * (x - a)).sum(1).ravel() / np.maximum(shares, 1e-12)
    share = len(middle) * tempo**2 * max(abs(tempo) - doubt, 0.0) / max(abs(tempo), 1e-9)
    place = (np.log(max(seconds, 0.1)) - tempo_a) / _TEMPO / (tempo if share else 1.0)
    votes = np.clip(np.append(places, place), *_CLIP)
    return float(np.average(votes, weights=np.append(shares, share) + 1e-12))


def _described(steps: Array) -> Array:
    """[2, S, D]: poses, and ways from the pose between repetitions."""
    return np.stack([steps, steps - steps[[0, -1]].mean(0)])
