"""`cornerman teach NAME good.mp4`: an own exercise from a few repetitions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cornerman.local import options
from cornerman_common.exercise_library import ExerciseLibrary
from cornerman_shared.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from cornerman_pose.taught.exercise import TaughtExercise
    from cornerman_pose.taught.rehearsal import Rehearsal


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
        bool, typer.Option("--json", help="One JSON object on stdout: what was learned, how sure.")
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
    from cornerman.local.teaching import check_model_words, taught  # its own import takes a while

    chosen = options.command_settings(config)
    if model_words and mistake:
        check_model_words(options.with_models(chosen, lambda note: None, loads=(), people=True)[1])
    library = ExerciseLibrary.of(chosen.settings.gateway.profiles_dir)
    mistakes = list(zip(mistake, videos[1:], strict=True))
    words: Literal["owner", "model"] = "model" if model_words else "owner"
    exercise, tried = taught(library, name, title, videos[0], mistakes, reps, words, praise, replace=replace)
    saved = library.save(exercise, replaces=replace)
    if as_json:
        print(json.dumps(_as_json(exercise, tried, saved.path)))
        return
    shortest, longest = exercise.good.seconds
    print(f"{name}: {exercise.good.repetitions} good repetitions of {shortest:.1f} to {longest:.1f} s")
    for one, rehearsal in zip(exercise.mistakes, tried[1:], strict=True):
        told = f": {rehearsal.in_words}" if rehearsal.shown else ""
        print(f"{one.say!r} from {one.prototype.repetitions}{told}")
    for what, rehearsal in zip(("Good repetitions", *map(repr, mistake)), tried, strict=True):
        for doubt in rehearsal.doubts:
            print(f"Doubtful: {what}: {doubt}")
    print(f"Saved in {saved.path}. Try it: cornerman run VIDEO --exercise {name}")


def _as_json(exercise: TaughtExercise, tried: Sequence[Rehearsal], path: Path) -> dict[str, object]:
    kinds = []
    for prototype, rehearsal in zip(exercise.prototypes, tried, strict=True):
        shortest, longest = prototype.seconds
        row: dict[str, object] = {"repetitions": prototype.repetitions}
        row |= {"shortest_s": round(shortest, 3), "longest_s": round(longest, 3)}
        if rehearsal.shown:
            row |= {"told": rehearsal.told, "shown": rehearsal.shown}
        kinds.append({**row, "doubts": list(rehearsal.doubts)})
    return {
        "name": exercise.name,
        "path": str(path),
        "good": kinds[0],
        "mistakes": [
            {"name": one.name, "say": one.say, **kind} for one, kind in zip(exercise.mistakes, kinds[1:], strict=True)
        ],
    }
