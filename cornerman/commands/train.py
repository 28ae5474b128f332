"""`cornerman train`: runs the training tools."""

from __future__ import annotations

import typer

from cornerman.local.training_tools import run_tool


def train(context: typer.Context) -> None:
    """Train a model, stage by stage, from the gym's videos."""
    run_tool("cornerman_training.train", context.args, "cornerman train")
