"""`cornerman exercises`: own exercises, as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cornerman.local import options
from cornerman.local.status_table import plain_table
from cornerman_common.exercise_file import MAX_BYTES
from cornerman_common.exercise_library import ExerciseLibrary, SavedExercise
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.files import read_text
from cornerman_shared.text import clean_text

app = typer.Typer(no_args_is_help=True, help="Own exercises, made by `teach`: list, show, add, remove.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it.")]


@app.command("list")
def list_(as_json: options.Json = False, config: options.Config = "") -> None:
    """Every own exercise, with its mistakes."""
    library = _library(config)
    rows = [_row(one) for one in library.all()]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    table = plain_table("name", "title", "learned from", "mistakes")
    for one in library.all():
        known = one.exercise
        mistakes = "; ".join(each.say for each in known.mistakes) if known else one.problem
        table.add_row(one.name, known.title if known else "", f"{known.good.repetitions}" if known else "", mistakes)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    console.print(f"They are files in {library.folder}. Make one with `cornerman teach`.")


@app.command()
def show(name: Name, config: options.Config = "") -> None:
    """Print an exercise's file, to be given away."""
    print(clean_text(_library(config).text(name)), end="")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `show` prints it.")],
    name: Annotated[str, typer.Option("--name", help="Default: the file's.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of an exercise of this name.")] = False,
    config: options.Config = "",
) -> None:
    """Add an exercise from the file of another person."""
    library = _library(config)
    name = name or file.stem
    if not file.is_file():
        raise ConfigError(f"{str(file)!r}: no such file; give one that `cornerman exercises show` has printed")
    if library.has(name) and not replace:
        raise ConfigError(f"exercise {name!r} is there already; give --replace, or another --name")
    print(f"Saved in {library.save_text(name, read_text(file, MAX_BYTES)).path}.")


@app.command()
def remove(name: Name, config: options.Config = "") -> None:
    """Remove an exercise. Sources that look for it say that it is gone."""
    _library(config).remove(name)


def _library(config: str) -> ExerciseLibrary:
    return ExerciseLibrary.of(options.command_settings(config).settings.gateway.profiles_dir)


def _row(one: SavedExercise) -> dict[str, object]:
    known = one.exercise
    return {
        "type": "exercise",
        "name": one.name,
        "title": known.title if known else "",
        "repetitions": known.good.repetitions if known else 0,
        "mistakes": [
            {"name": each.name, "say": each.say, "words": each.words, "repetitions": each.prototype.repetitions}
            for each in (known.mistakes if known else ())
        ],
        "problem": one.problem,
    }
