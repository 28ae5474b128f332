"""Own exercises as a watcher reports exercises: observations, and mistakes as rules. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cornerman_pose.features import SIDE
from cornerman_pose.movements import VIEWS, FormRule
from cornerman_pose.repetitions import ChunkObservation, NamedMistake, RepetitionSeen
from cornerman_pose.taught.judging import MARGIN, NAMED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerman_pose.taught.counter import TaughtCounter, TaughtRepetition
    from cornerman_pose.taught.exercise import TaughtExercise


def taught_rules(exercise: TaughtExercise) -> tuple[FormRule, ...]:
    """The mistakes of an own exercise as rules: the measure is how far a repetition is on the way to the mistake."""
    return tuple(
        FormRule(
            exercise=exercise.name,
            name=mistake.name,
            joint="",
            measure="likeness to the mistake that was shown",
            unit="ratio",
            worse="above",
            limit=NAMED,
            grey=MARGIN,
            decide=0.5,
            landmarks=exercise.parts,
            views=VIEWS,
            source="owner",
        )
        for mistake in exercise.mistakes
    )


def observe_taught(
    counter: TaughtCounter, times_s: NDArray[np.float64], features: NDArray[np.float32]
) -> ChunkObservation:
    """What K frames [K, COUNT] show of the own exercises that a counter looks for."""
    found = counter.push(times_s, features)
    there = features[features[:, -1] > 0]
    angle: Literal["front", "oblique", "side", "nobody"] = "nobody"
    if len(there):
        side = float(there[-1, SIDE])
        angle = "front" if side < 0.42 else "oblique" if side < 0.84 else "side"
    return ChunkObservation(
        float(times_s[-1]),
        counter.exercise or "none",
        1.0,
        counter.count,
        counter.phase,
        angle,
        tuple(_repetition(one) for one in found),
    )


def _repetition(one: TaughtRepetition) -> RepetitionSeen:
    verdict, name = one.verdict, one.exercise.name
    mistakes: tuple[NamedMistake, ...] = ()
    if verdict.mistake is not None:
        rule = next(rule for rule in taught_rules(one.exercise) if rule.name == verdict.mistake.name)
        mistakes = (NamedMistake(rule, verdict.probability, rule.excess(max(verdict.towards))),)
    judged = tuple(mistake.name for mistake in one.exercise.mistakes) if verdict.judged else ()
    return RepetitionSeen(name, one.number, one.start_s, one.end_s, mistakes, judged, 1.0)
