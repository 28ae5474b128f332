"""`cornerman models`: the choices of model and the one in use; weights that are not ours to bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cornerman.local import options
from cornerman.local.model_catalogue import catalogue
from cornerman.local.pose_model import get_weights, weight_rows
from cornerman.local.status_table import plain_table
from cornerman.local.work_bar import WorkBar
from cornerman_common.model_choice import resolve_models
from cornerman_common.pose_choice import shows_people

app = typer.Typer(invoke_without_command=True, help="Choices of model, with the one in use; weights: list, get.")


@app.callback()
def models(
    context: typer.Context,
    as_json: options.Json = False,
    config: options.Config = "",
    sets: options.Set = [],  # noqa: B006
) -> None:
    """Choices of model, with the one in use; weights: list, get.

    Lists abilities, size, speed class, where the files are, and how to choose each. Uses no network.
    """
    if context.invoked_subcommand:
        return
    chosen = options.command_settings(config, "", sets)
    choice = resolve_models(chosen.overrides, people=shows_people(chosen.settings.sources))
    if as_json:
        for entry in catalogue():
            print(json.dumps({"type": "model", **entry.to_dict()}))
        print(json.dumps({"type": "in_use", **choice.to_dict(), "coach": choice.coach}))
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for entry in catalogue():
        files = entry.files or (f"not here; {entry.hub} at the model hub" if entry.hub else "at the server")
        rows = {
            "decides": entry.decides,
            "can do": entry.abilities.in_words(),
            "size": f"{entry.size}; speed: {entry.speed}",
            "files": files,
            "choose": entry.choose,
        }
        console.print(entry.name, style="bold")
        for name, value in rows.items():
            console.print(f"  {name:<10}{value}")
    console.print("In use", style="bold")
    for name in ("encoder", "decider", "generator"):
        console.print(f"  {name:<10}{getattr(choice, name).in_words()}")
    console.print(f"  {'can do':<10}{choice.abilities.in_words()}")
    for note in (choice.coach, *choice.notes):
        if note:
            console.print(f"  {note}")


@app.command("list")
def list_models(as_json: options.Json = False) -> None:
    """Which weights are here, where, and how large they are. Uses no network."""
    rows = weight_rows()
    if as_json:
        for row in rows:
            print(json.dumps({"type": "weights", **row}))
        return
    table = plain_table("MODEL", "FILE", "STATE", "MB", "PATH")
    for row in rows:
        size = f"{row['size_bytes'] / 1e6:.2f}"
        table.add_row(row["model"], row["file"], row["state"], size, row["path"])
    Console(highlight=False, soft_wrap=True).print(table)


@app.command("get")
def get_model(
    model: Annotated[Literal["pose"], typer.Argument(help="Which.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder, .whl or .tgz that holds the files; no network then.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to fill. Default: the cache.")] = None,
    variant: Annotated[Literal["full", "lite"], typer.Option(help="Which landmark net.")] = "full",
) -> None:
    """Bring the weights into the cache: from `--from`, or out of a pinned package that is downloaded."""
    with WorkBar(f"getting the {model} weights ({variant})") as bar:
        found = get_weights(source, to, variant, bar.show)
    for path in found:
        print(path)
