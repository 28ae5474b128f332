"""Takes for teaching: the followed person's landmarks out of chunks, and an exercise out of takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cornerman_pose.landmarks import LandmarkTrack, SeenChunk
from cornerman_pose.sides import SidesState, steady_legs
from cornerman_pose.subject import SubjectState, follow
from cornerman_pose.taught.exercise import TaughtExercise, TaughtMistake
from cornerman_pose.taught.learning import (
    TeachingError,
    example_of,
    learn,
    needed_parts_of,
    prototype_of,
    repetitions_in,
)
from cornerman_pose.taught.likeness import facing
from cornerman_pose.taught.other_side import mirrored
from cornerman_pose.taught.progress import progress_axis

Array = NDArray[np.float64]


def track_of(chunks: Iterable[SeenChunk]) -> LandmarkTrack:
    """The person who is followed through chunks that may overlap.

    Raises:
        TeachingError: there is no chunk.
    """
    subject: SubjectState = {}
    sides: SidesState = {}
    parts: list[LandmarkTrack] = []
    newest_s = -1.0
    for seen in chunks:
        chosen, subject = follow(seen, subject)
        if chosen.row is None:
            continue
        track, sides = steady_legs(seen.person(chosen.row), sides)
        fresh = track.t_s > newest_s + 1e-6
        parts.append(
            LandmarkTrack(
                track.t_s[fresh],
                track.image_px[fresh],
                track.world_m[fresh],
                track.visibility[fresh],
                track.presence[fresh],
                track.size_px,
            )
        )
        newest_s = max(newest_s, float(track.t_s[-1]))
    if not parts:
        raise TeachingError("no person is seen in the example; film the whole body, alone in the picture")
    return LandmarkTrack(
        t_s=np.concatenate([one.t_s for one in parts]),
        image_px=np.concatenate([one.image_px for one in parts]),
        world_m=np.concatenate([one.world_m for one in parts]),
        visibility=np.concatenate([one.visibility for one in parts]),
        presence=np.concatenate([one.presence for one in parts]),
        size_px=parts[-1].size_px,
    )


def teach_exercise(name: str, title: str, good: LandmarkTrack, repetitions: int, praise: str = "") -> TaughtExercise:
    """An exercise from a take of right repetitions; `praise` is the owner's sentence about good ones.

    Raises:
        TeachingError: the take shows another number of repetitions, or no person.
    """
    what = "the good example"
    example = example_of(good, what)
    prototype = learn(example, repetitions_in(example, repetitions, what))
    return TaughtExercise(name, title, prototype, (), needed_parts_of(example, prototype), praise)


def add_mistake(
    exercise: TaughtExercise,
    name: str,
    say: str,
    words: Literal["owner", "model"],
    bad: LandmarkTrack,
    repetitions: int,
) -> TaughtExercise:
    """The exercise with one more mistake, from a take of wrong repetitions; one of the same name is replaced.

    Raises:
        TeachingError: the take shows another number of repetitions, or no person.
    """
    prototype = prototype_of(wrong_repetitions(exercise, say, bad, repetitions))
    mistake = TaughtMistake(name, say, words, prototype)
    others: Sequence[TaughtMistake] = [one for one in exercise.mistakes if one.name != name]
    return replace(exercise, mistakes=(*others, mistake))


def right_repetitions(good: LandmarkTrack, repetitions: int) -> list[Array]:
    """[T, D] embedded frames of each right repetition in a take.

    Raises:
        TeachingError: the take shows another number of repetitions, or no person.
    """
    example = example_of(good, "the good example")
    return [example.rows[a:b] for a, b in repetitions_in(example, repetitions, "the good example")]


def wrong_repetitions(exercise: TaughtExercise, say: str, bad: LandmarkTrack, repetitions: int) -> list[Array]:
    """[T, D] embedded frames of each wrong repetition in a take, on the side of the body that the right ones show.

    Raises:
        TeachingError: the take shows another number of repetitions, or no person.
    """
    what = f"the example of {say!r}"
    example = example_of(bad, what)
    axis = progress_axis(replace(exercise, mistakes=()))
    spans = repetitions_in(example, repetitions, what, (axis, mirrored(axis)))
    shown = learn(example, spans)
    rows = example.rows if facing(shown, exercise.good) is shown else mirrored(example.rows)
    return [rows[a:b] for a, b in spans]
