"""An own exercise from videos or landmark files on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cornerman_common.exercise_file import MAX_MISTAKES, MAX_SENTENCE, mistake_name
from cornerman_common.exercise_library import ExerciseLibrary, check_exercise_name
from cornerman_pose.errors import PoseError
from cornerman_pose.files import read_landmarks
from cornerman_pose.taught.learning import MOST_S
from cornerman_pose.taught.rehearsal import Rehearsal, rehearse_good, rehearse_mistake
from cornerman_pose.taught.takes import (
    Array,
    add_mistake,
    right_repetitions,
    teach_exercise,
    track_of,
    wrong_repetitions,
)
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    from cornerman_common.model_parts import ModelChoice
    from cornerman_pose.estimator import PoseEstimator
    from cornerman_pose.landmarks import LandmarkTrack, SeenChunk
    from cornerman_pose.taught.exercise import TaughtExercise


def taught(
    library: ExerciseLibrary,
    name: str,
    title: str,
    good: Path,
    mistakes: Sequence[tuple[str, Path]],
    repetitions: int,
    words: Literal["owner", "model"],
    praise: str = "",
    *,
    replace: bool = False,
    read: Callable[[Path], LandmarkTrack] | None = None,
) -> tuple[TaughtExercise, dict[str, Rehearsal], list[Array]]:
    """An own exercise, how sure it ("") and each of its mistakes are, by name, and its right repetitions.

    Nothing is saved.

    Args:
        library: of the exercises there are.
        name: of the exercise.
        title: empty = the name.
        good: right repetitions, a video or a landmark file.
        mistakes: what to say, and a video or landmark file of wrong repetitions.
        repetitions: in each example.
        words: whose words are spoken about mistakes.
        praise: what to say about good repetitions; empty = nothing.
        replace: an exercise of this name may be there.
        read: reads an example; None = `read_take`.

    Raises:
        ConfigError: the name or an example is not usable; says what was seen. Or the library cannot be written to.
    """
    read = cache(read or read_take)
    check_exercise_name(name)
    if library.has(name) and not replace:
        raise ConfigError(f"exercise {name!r} is there already; give --replace, or another name")
    if len(mistakes) > MAX_MISTAKES:
        raise ConfigError(f"{len(mistakes)} mistakes; an exercise has at most {MAX_MISTAKES}")
    if len(praise) > MAX_SENTENCE:
        raise ConfigError(f"--praise has {len(praise)} characters; give at most {MAX_SENTENCE}")
    library.check_room(name)
    named = [(mistake_name(say), say, path) for say, path in mistakes]  # refused before the videos are read
    try:
        exercise = teach_exercise(name, title or name.replace("_", " "), read(good), repetitions, praise.strip())
        tried = {"": rehearse_good(exercise, read(good))}
        right = right_repetitions(read(good), repetitions)
        for key, say, path in named:
            exercise = add_mistake(exercise, key, say, words, read(path), repetitions)
            wrong = wrong_repetitions(exercise, say, read(path), repetitions)
            tried[key] = rehearse_mistake(exercise, exercise.mistakes[-1], read(path), wrong, right)
    except PoseError as error:
        raise ConfigError(str(error)) from error
    return exercise, tried, right


def check_model_words(choice: ModelChoice) -> None:
    """Refuses the words of a model that knows its own exercises only.

    Raises:
        ConfigError: names the model and the remedy.
    """
    if choice.abilities.exercises is not None:
        raise ConfigError(
            f"--model-words: {choice.generator.in_words()} knows its own exercises only and has no words for yours; "
            "leave it out, so that your sentence is said, or set generator.backend to vlm or openai "
            "(CORNERMAN_GENERATOR__BACKEND, or --config FILE)"
        )


def read_take(path: Path, looked: Callable[[float], None] = lambda _: None) -> LandmarkTrack:
    """The followed person's landmarks in a landmark file (`.npz`) or a video.

    Args:
        path: of the file.
        looked: hears after each chunk of a video how far it was looked at, seconds.

    Raises:
        PoseError: it cannot be read, shows no person, or the estimator is not installed.
    """
    if path.suffix == ".npz":
        return read_landmarks(path)
    from cornerman_pose.people_eval.video import seen_chunks  # FFmpeg is slow to import

    return track_of(_told(seen_chunks(path, _estimator(), most_s=MOST_S), looked))


def _told(chunks: Iterable[tuple[SeenChunk, object]], looked: Callable[[float], None]) -> Iterator[SeenChunk]:
    for seen, _ in chunks:
        looked(float(seen.frame_pts_s[-1]))
        yield seen


@cache
def _estimator() -> PoseEstimator:
    from cornerman_pose.estimator import PoseEstimator

    return PoseEstimator.load()
