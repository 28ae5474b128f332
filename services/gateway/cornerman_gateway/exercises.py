"""Own exercises as the API shows them, and one learned from a recording. `cornerman_common` keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from cornerman_common.exercise_file import mistake_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cornerman_common.exercise_library import SavedExercise
    from cornerman_gateway.recording import PoseRecording
    from cornerman_pose.taught.exercise import Prototype, TaughtExercise, TaughtMistake


class ShownRepetitions(BaseModel):
    """Repetitions that a kind was learned from."""

    repetitions: int
    shortest_s: float
    longest_s: float
    alike: Annotated[float, Field(description="how alike they are, 0 to 1; below 0.5 they are uneven")]


class ShownMistake(ShownRepetitions):
    """A way to do an exercise wrong."""

    name: str
    say: Annotated[str, Field(description="the owner's sentence about it")]
    words: Annotated[Literal["owner", "model"], Field(description="whose words are spoken")]
    apart: Annotated[
        float,
        Field(
            description="how far it is from right repetitions, in standard deviations between repetitions of one kind; "
            "below 1.3 it is hard to tell"
        ),
    ]


class OwnExercise(BaseModel):
    """An own exercise, by name."""

    name: str
    title: str
    good: Annotated[ShownRepetitions | None, Field(description="null where the file cannot be used")]
    mistakes: list[ShownMistake]
    parts: Annotated[list[str], Field(description="parts of the body that must be in the picture")]
    praise: Annotated[str, Field(description="the owner's sentence about good repetitions; empty = none")] = ""
    refused: Annotated[str, Field(description="why it cannot be used, in words; empty = it can")] = ""


class ExerciseList(BaseModel):
    """Own exercises. `speak.exercises` of a source takes their names."""

    exercises: list[OwnExercise]
    bundled: Annotated[list[str], Field(description="exercises of the bundled coach; their names are taken")]


class TaughtView(BaseModel):
    """The exercise that was learned."""

    exercise: OwnExercise
    seen: Annotated[
        str,
        Field(
            description="what the recording showed, and of a mistake how many of its repetitions are told right by the "
            "others",
            examples=["5 good repetitions of 1.9 to 2.4 s"],
        ),
    ]
    doubts: Annotated[list[str], Field(description="doubts about it, each with its remedy; empty = none")] = []


def exercise_view(file: SavedExercise) -> OwnExercise:
    """An own exercise, also one whose file is wrong."""
    from cornerman_pose.taught.sureness import apart  # takes a while, and few teach

    one = file.exercise
    if one is None:
        return OwnExercise(name=file.name, title=file.name, good=None, mistakes=[], parts=[], refused=file.problem)
    return OwnExercise(
        name=file.name,
        title=one.title,
        good=ShownRepetitions.model_validate(_shown(one.good)),
        mistakes=[
            ShownMistake.model_validate(
                {
                    "name": wrong.name,
                    "say": wrong.say,
                    "words": wrong.words,
                    "apart": round(apart(one.good, wrong.prototype), 2),
                    **_shown(wrong.prototype),
                }
            )
            for wrong in one.mistakes
        ],
        parts=list(one.parts),
        praise=one.praise,
    )


def good_from(
    recording: PoseRecording, name: str, title: str, repetitions: int, praise: str = ""
) -> tuple[TaughtExercise, str, tuple[str, ...]]:
    """An exercise from a recording of right repetitions, the sight of it in words, and doubts with their remedies.

    Raises:
        TeachingError: the recording shows another number of repetitions, or no person.
    """
    from cornerman_pose.taught.rehearsal import rehearse_good  # takes a while, and few teach
    from cornerman_pose.taught.takes import teach_exercise, track_of

    track = track_of(recording.chunks)
    exercise = teach_exercise(name, title or name.replace("_", " "), track, repetitions, praise)
    return exercise, _seen("good", exercise.good), rehearse_good(exercise, track).doubts


def right_from(recording: PoseRecording, repetitions: int) -> list[NDArray[np.float64]]:
    """The right repetitions in a recording that an exercise was learned from, for `ExerciseLibrary.save`."""
    from cornerman_pose.taught.takes import right_repetitions, track_of  # takes a while, and few teach

    return right_repetitions(track_of(recording.chunks), repetitions)


def mistake_from(
    recording: PoseRecording,
    exercise: TaughtExercise,
    say: str,
    words: Literal["owner", "model"],
    repetitions: int,
    right: Sequence[NDArray[np.float64]] = (),
) -> tuple[TaughtMistake, str, tuple[str, ...]]:
    """A mistake of an exercise, the sight of it in words, and doubts with their remedies.

    Args:
        recording: of wrong repetitions.
        exercise: that they are of.
        say: the owner's sentence.
        words: whose words are spoken.
        repetitions: in the recording.
        right: right repetitions, for it to be tried on as well; empty = they are not at hand.

    Raises:
        ConfigError: the sentence cannot be used.
        TeachingError: the recording shows another number of repetitions, or no person.
    """
    from cornerman_pose.taught.rehearsal import rehearse_mistake  # takes a while, and few teach
    from cornerman_pose.taught.takes import add_mistake, track_of, wrong_repetitions

    key, track = mistake_name(say), track_of(recording.chunks)
    changed = add_mistake(exercise, key, say, words, track, repetitions)
    mistake = changed.mistakes[-1]
    tried = rehearse_mistake(changed, mistake, track, wrong_repetitions(changed, say, track, repetitions), right)
    seen = [_seen("wrong", mistake.prototype), *filter(None, [tried.in_words])]
    return mistake, "; ".join(seen), tried.doubts


def _shown(prototype: Prototype) -> dict[str, float]:
    from cornerman_pose.taught.sureness import alike  # takes a while, and few teach

    shortest, longest = prototype.seconds
    return {
        "repetitions": prototype.repetitions,
        "shortest_s": round(shortest, 3),
        "longest_s": round(longest, 3),
        "alike": round(alike(prototype), 2),
    }


def _seen(kind: str, prototype: Prototype) -> str:
    shortest, longest = prototype.seconds
    return f"{prototype.repetitions} {kind} repetitions of {shortest:.1f} to {longest:.1f} s"
