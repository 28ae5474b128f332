"""Own exercises as the API shows them, and one learned from a recording. `cornerman_common` keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from cornerman_common.exercise_file import MAX_MISTAKES, mistake_name
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_common.exercise_library import ExerciseLibrary, SavedExercise
    from cornerman_gateway.recording import PoseRecording
    from cornerman_pose.taught.exercise import Prototype, TaughtExercise


class ShownRepetitions(BaseModel):
    """Repetitions that a kind was learned from."""

    repetitions: int
    shortest_s: float
    longest_s: float


class ShownMistake(ShownRepetitions):
    """A way to do an exercise wrong."""

    name: str
    say: Annotated[str, Field(description="the owner's sentence about it")]
    words: Annotated[Literal["owner", "model"], Field(description="whose words are spoken")]


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


class TaughtView(BaseModel):
    """The exercise that was learned."""

    exercise: OwnExercise
    seen: Annotated[
        str, Field(description="what the recording showed", examples=["5 good repetitions of 1.9 to 2.4 s"])
    ]


def exercise_view(file: SavedExercise) -> OwnExercise:
    """An own exercise, also one whose file is wrong."""
    one = file.exercise
    if one is None:
        return OwnExercise(name=file.name, title=file.name, good=None, mistakes=[], parts=[], refused=file.problem)
    return OwnExercise(
        name=file.name,
        title=one.title,
        good=ShownRepetitions.model_validate(_shown(one.good)),
        mistakes=[
            ShownMistake.model_validate(
                {"name": wrong.name, "say": wrong.say, "words": wrong.words, **_shown(wrong.prototype)}
            )
            for wrong in one.mistakes
        ],
        parts=list(one.parts),
        praise=one.praise,
    )


def good_from(
    recording: PoseRecording, name: str, title: str, repetitions: int, praise: str = ""
) -> tuple[TaughtExercise, str]:
    """An exercise from a recording of right repetitions, and the sight of it in words.

    Raises:
        TeachingError: the recording shows another number of repetitions, or no person.
    """
    from cornerman_pose.taught.takes import teach_exercise, track_of  # takes a while, and few teach

    title = title or name.replace("_", " ")
    exercise = teach_exercise(name, title, track_of(recording.chunks), repetitions, praise)
    return exercise, _seen("good", exercise.good)


def mistake_from(
    recording: PoseRecording,
    library: ExerciseLibrary,
    name: str,
    say: str,
    words: Literal["owner", "model"],
    repetitions: int,
) -> tuple[TaughtExercise, str]:
    """The exercise in the library with one more mistake, and the sight of it in words.

    Raises:
        ConfigError: the sentence cannot be used, or there are too many mistakes.
        TeachingError: the recording shows another number of repetitions, or no person.
    """
    from cornerman_pose.taught.takes import add_mistake, track_of  # takes a while, and few teach

    exercise, key = library.get(name), mistake_name(say)
    others = [one for one in exercise.mistakes if one.name != key]
    if len(others) >= MAX_MISTAKES:
        raise ConfigError(f"say: {name!r} has {len(others)} mistakes; an exercise has at most {MAX_MISTAKES}")
    exercise = add_mistake(exercise, key, say, words, track_of(recording.chunks), repetitions)
    return exercise, _seen("wrong", exercise.mistakes[-1].prototype)


def _shown(prototype: Prototype) -> dict[str, float]:
    shortest, longest = prototype.seconds
    return {
        "repetitions": prototype.repetitions,
        "shortest_s": round(shortest, 3),
        "longest_s": round(longest, 3),
    }


def _seen(kind: str, prototype: Prototype) -> str:
    shortest, longest = prototype.seconds
    return f"{prototype.repetitions} {kind} repetitions of {shortest:.1f} to {longest:.1f} s"
