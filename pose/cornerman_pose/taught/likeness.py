"""How well frames show a taught movement, on either side of the body. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.taught.alignment import warped
from cornerman_pose.taught.exercise import Prototype, TaughtExercise
from cornerman_pose.taught.metric import learning_weights, way_weights
from cornerman_pose.taught.other_side import mirrored

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Frames against the prototype that they are most like.

    Attributes:
        rows: [T, D] the frames, mirrored where the other side of the body did it.
        along: cosine between both ways.
        gain: how far the frames go of the prototype's way.
        cost: squared distance over the squared way of the prototype.
    """

    rows: Array
    along: float
    gain: float
    cost: float


def likeness(exercise: TaughtExercise, rows: Array) -> Likeness:
    """The best of all prototypes and both sides of the body, for frames [T, D]."""
    scale = np.sqrt(way_weights(exercise.good))
    found = [_compared(side, one, scale) for side in (rows, mirrored(rows)) for one in exercise.prototypes]
    return max(found, key=lambda one: one.along)


def facing(prototype: Prototype, good: Prototype) -> Prototype:
    """A prototype, mirrored if it then is more like the good one: an example may show the other side of the body."""
    scale = np.sqrt(way_weights(good))
    other = Prototype(
        mirrored(prototype.steps), np.abs(mirrored(prototype.spread)), prototype.seconds, prototype.repetitions
    )
    return max(prototype, other, key=lambda one: _compared(one.steps, good, scale).along)


def _compared(rows: Array, prototype: Prototype, scale: Array) -> Likeness:
    x, y = (
        (one - one[[0, -1]].mean(0)) * scale
        for one in (warped(rows, prototype.steps, learning_weights()), prototype.steps)
    )
    both, own, shown = float(np.sum(x * y)), float(np.sum(x * x)), max(float(np.sum(y * y)), 1e-9)
    return Likeness(rows, both / np.sqrt(max(own * shown, 1e-9)), both / shown, float(np.sum(np.square(x - y))) / shown)
