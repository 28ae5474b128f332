"""`cornerman teach NAME good.mp4`: an own exercise from a few repetitions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cornerman.local import options
from cornerman.local.source_args import fault_of, length_s
from cornerman.local.work_bar import WorkBar
from cornerman_common.exercise_library import ExerciseLibrary
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.settings.tree import CaptureSettings

if TYPE_CHECKING:
    from cornerman_pose.landmarks import LandmarkTrack
    from cornerman_pose.taught.exercise import Prototype, TaughtExercise
    from cornerman_pose.taught.rehearsal import Rehearsal


GOOD = ""
"""Key of the right repetitions among rehearsals; a mistake's is its name."""


def teach(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, '_' and '-'.")],
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="GOOD BAD…", help="Right repetitions, then each mistake's: videos or .npz files."),
    ],
    mistake: Annotated[
        list[str],
        typer.Option("--mistake", metavar="SENTENCE", help="What to say about the next VIDEO's mistake. Repeatable."),
    ] = [],  # noqa: B006 typer's own way to say "repeatable"
    reps: Annotated[int, typer.Option(min=2, max=30, help="Repetitions in each video.")] = 5,
    title: Annotated[str, typer.Option(help="As people see it. Default: the name.")] = "",
    praise: Annotated[
        str, typer.Option(metavar="SENTENCE", help="What to say now and then about good repetitions.")
    ] = "",
    model_words: Annotated[
        bool, typer.Option("--model-words", help="The model corrects and praises in its own words, if it can.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of an exercise of this name.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout: the exercise, and how sure it is.")
    ] = False,
    config: options.Config = "",
) -> None:
    """Teach an exercise of your own from a few repetitions, and mistakes that it is to tell.

    As in: cornerman teach calf_raise good.mp4 --mistake "Heels up!" bad.mp4
    """
    if len(videos) != 1 + len(mistake):
        raise ConfigError(
            f"{len(videos)} videos for {len(mistake)} mistakes: give the good one first, then "
            "--mistake SENTENCE VIDEO for each mistake"
        )
    for path in videos:
        if not path.is_file():
            raise SourceError(f"{path}: there is no such file; give a video or a landmark file (.npz)")
        if path.suffix != ".npz" and (fault := fault_of(str(path.absolute()), CaptureSettings())):
            raise SourceError(fault)
    from cornerman.local.teaching import check_model_words, read_take, taught  # its own import takes a while

    chosen = options.command_settings(config)
    if model_words and mistake:
        check_model_words(options.with_models(chosen, lambda note: None, loads=(), people=True)[1])
    library = ExerciseLibrary.of(chosen.settings.gateway.profiles_dir)
    mistakes = list(zip(mistake, videos[1:], strict=True))
    words: Literal["owner", "model"] = "model" if model_words else "owner"
    with WorkBar(f"teaching {name}") as bar:

        def read(path: Path) -> LandmarkTrack:
            whole_s, start = length_s(str(path)) if path.suffix != ".npz" else None, f"looking at {path.name}"
            bar.show(start, 0, whole_s)
            return read_take(path, lambda at_s: bar.show(f"{start}, {at_s:.0f} s", at_s))

        exercise, tried, right = taught(
            library, name, title, videos[0], mistakes, reps, words, praise, replace=replace, read=read
        )
    saved = library.save(exercise, replaces=replace, right=right)
    if as_json:
        print(json.dumps(_as_json(exercise, tried, saved.path)))
        return
    shortest, longest = exercise.good.seconds
    print(f"{name}: {exercise.good.repetitions} good repetitions of {shortest:.1f} to {longest:.1f} s")
    for one in exercise.mistakes:
        told = f": {tried[one.name].in_words}" if tried[one.name].shown else ""
        print(f"{one.say!r} from {one.prototype.repetitions}{told}")
    for what, key in (("good repetitions", GOOD), *((repr(one.say), one.name) for one in exercise.mistakes)):
        for doubt in tried[key].doubts:
            print(f"Doubtful: {what}: {doubt}")
    print(f"Saved in {saved.path}. Try it: cornerman run VIDEO --exercise {name}")


def _as_json(exercise: TaughtExercise, tried: Mapping[str, Rehearsal], path: Path) -> dict[str, object]:
    return {
        "name": exercise.name,
        "path": str(path),
        "good": _learned(exercise.good, tried[GOOD]),
        "mistakes": [
            {"name": one.name, "say": one.say, **_learned(one.prototype, tried[one.name])} for one in exercise.mistakes
        ],
    }


def _learned(prototype: Prototype, rehearsal: Rehearsal) -> dict[str, object]:
    shortest, longest = prototype.seconds
    return {
        "repetitions": prototype.repetitions,
        "shortest_s": round(shortest, 3),
        "longest_s": round(longest, 3),
        **({"told": rehearsal.told, "shown": rehearsal.shown} if rehearsal.shown else {}),
        "doubts": list(rehearsal.doubts),
    }
