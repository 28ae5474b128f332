"""An own exercise tried on the examples that taught it, and its doubts with their remedies. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.channels import FPS
from cornerman_pose.features import LandmarkGrid
from cornerman_pose.landmarks import LandmarkTrack
from cornerman_pose.taught.counter import TaughtCounter
from cornerman_pose.taught.exercise import Prototype, TaughtExercise, TaughtMistake
from cornerman_pose.taught.judging import NAMED, towards
from cornerman_pose.taught.learning import example_of, prototype_of
from cornerman_pose.taught.sureness import doubts_of_mistake, doubts_of_repetitions

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How sure an exercise or one of its mistakes is.

    Attributes:
        told: repetitions shown that are told right by what the others teach.
        shown: repetitions that were tried so; 0 = none.
        doubts: sentences, each with its remedy; empty = none.
    """

    told: int
    shown: int
    doubts: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """ "of 10 repetitions shown it tells 9 right by the others"; empty = none was tried."""
        return f"of {self.shown} repetitions shown it tells {self.told} right by the others" if self.shown else ""


def rehearse_good(exercise: TaughtExercise, good: LandmarkTrack) -> Rehearsal:
    """Watches the example of the right repetitions again."""
    counted = counted_again(exercise, good)
    return Rehearsal(0, 0, doubts_of_repetitions(exercise.good, example_of(good).parts, counted))


def rehearse_mistake(
    exercise: TaughtExercise,
    mistake: TaughtMistake,
    bad: LandmarkTrack,
    wrong: Sequence[Array],
    right: Sequence[Array] = (),
) -> Rehearsal:
    """Watches the example of a mistake again.

    Args:
        exercise: that has the mistake.
        mistake: of it.
        bad: the take that taught it.
        wrong: its repetitions, from `takes.wrong_repetitions`.
        right: right repetitions, from `takes.right_repetitions`; empty = they are not at hand.
    """
    told, shown = told_again(exercise.good, mistake, right, wrong)
    counted = counted_again(exercise, bad)
    doubts = doubts_of_repetitions(mistake.prototype, example_of(bad).parts, counted)
    return Rehearsal(told, shown, (*doubts, *doubts_of_mistake(exercise.good, mistake.prototype, told, shown)))


def counted_again(exercise: TaughtExercise, track: LandmarkTrack) -> int:
    """Repetitions that are counted when an example is watched as a stream."""
    times, features = LandmarkGrid().push(
        *(getattr(track, name).astype(np.float64) for name in ("t_s", "image_px", "world_m", "visibility", "presence"))
    )
    return len(TaughtCounter((exercise,)).push(times, features))


def told_again(
    good: Prototype, mistake: TaughtMistake, right: Sequence[Array], wrong: Sequence[Array]
) -> tuple[int, int]:
    """How many repetitions are told right, of how many: each in turn is judged by what the others teach.

    Args:
        good: of the right repetitions.
        mistake: with the prototype of the wrong ones.
        right: [T, D] embedded frames of each right repetition; empty = they are not at hand.
        wrong: the same of the wrong ones.
    """
    told = [
        towards(prototype_of(others), mistake.prototype, one, len(one) / FPS) <= NAMED for one, others in _each(right)
    ]
    told += [towards(good, prototype_of(others), one, len(one) / FPS) > NAMED for one, others in _each(wrong)]
    return sum(told), len(told)


def _each(repetitions: Sequence[Array]) -> list[tuple[Array, list[Array]]]:
    """Each repetition with the others; two say nothing about how they vary."""
    if len(repetitions) < 3:
        return []
    return [(one, [*repetitions[:i], *repetitions[i + 1 :]]) for i, one in enumerate(repetitions)]
