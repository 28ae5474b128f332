"""`cornerman models`: weights that are not ours to bundle, found on this machine or fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cornerman.local import options
from cornerman.local.pose_model import get_weights, weight_rows
from cornerman.local.status_table import plain_table

app = typer.Typer(no_args_is_help=True, help="Weights of other people: list, get.")


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
    for path in get_weights(source, to, variant):
        print(path)
