"""`cornerman profiles`: what to watch for, and how closely, as files."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from cornerman.local import options
from cornerman.local.status_table import plain_table
from cornerman_common.profile_library import ProfileLibrary, SavedFile
from cornerman_common.saved_settings import SavedKind
from cornerman_shared.text import clean_text

app = typer.Typer(no_args_is_help=True, help="Profiles (what to watch for) and presets (how closely): list, show.")


@app.command("list")
def list_(as_json: options.Json = False, config: options.Config = "", redis: options.Redis = "") -> None:
    """Every profile and preset: the bundled ones, and the files in your folder."""
    library = _library(config, redis)
    files = library.everything()
    if as_json:
        for file in files:
            print(json.dumps(_row(file)))
        return
    table = plain_table("kind", "name", "title", "about", "from")
    for file in files:
        row = _row(file)
        origin = "bundled" if file.bundled else str(file.path)
        table.add_row(file.kind, file.name, str(row["title"]), str(row["problem"] or row["about"]), origin)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    console.print(f"Yours are files in {library.folder}/profiles and {library.folder}/presets.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it.")],
    kind: Annotated[SavedKind, typer.Option(help="Which of the two is meant.")] = "profile",
    config: options.Config = "",
    redis: options.Redis = "",
) -> None:
    """Print a profile's or preset's file, to be saved under another name and changed."""
    print(clean_text(_library(config, redis).text(kind, name)), end="")


def _library(config: str, redis: str) -> ProfileLibrary:
    return ProfileLibrary.of(options.command_settings(config, redis).settings.gateway.profiles_dir)


def _row(file: SavedFile) -> dict[str, object]:
    saved = file.settings
    return {
        "type": file.kind,
        "name": file.name,
        "title": saved.title if saved else "",
        "about": saved.about if saved else "",
        "bundled": file.bundled,
        "problem": file.problem,
        "changes": saved.changes() if saved else {},
    }
