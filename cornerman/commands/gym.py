"""`cornerman gym`: makes synthetic training videos."""

from __future__ import annotations

import typer

from cornerman.local.training_tools import run_tool


def gym(context: typer.Context) -> None:
    """Make synthetic training videos with their ground truth."""
    run_tool("cornerman_training.gym", context.args, "cornerman gym")
