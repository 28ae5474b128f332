"""`cornerman gym` and `train`: hand over to the training tools, when their extra is installed."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Callable

import typer

from cornerman_shared.errors import ConfigError

NEEDS = ("torch", "numba")
FORWARD = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def forward(module: str, name: str, about: str) -> Callable[[typer.Context], None]:
    """A command that runs `python -m module` with everything behind its name."""

    def command(context: typer.Context) -> None:
        hand_over(module, context.args, f"cornerman {name}")

    command.__doc__ = about
    command.__name__ = name
    return command


def hand_over(module: str, arguments: list[str], shown: str) -> None:
    """Runs the module as a program.

    Raises:
        ConfigError: the train extra, or the module, is not installed.
    """
    require_training(shown)
    if not _runs(module):
        raise ConfigError(f"`{shown}`: this installation has no {module}")
    sys.argv = [shown, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    except SystemExit as done:
        raise typer.Exit(done.code if isinstance(done.code, int) else int(bool(done.code))) from None


def require_training(shown: str) -> None:
    """Checks that what the training tools need is there.

    Raises:
        ConfigError: it is not.
    """
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"`{shown}` needs {', '.join(missing)}: pip install 'cornerman[model,train]'")


def _runs(module: str) -> bool:
    """Is this a program: a plain module, or a package with a `__main__`?"""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    if spec is None or spec.submodule_search_locations is None:
        return spec is not None
    return importlib.util.find_spec(f"{module}.__main__") is not None


gym = forward("cornerman_training.gym", "gym", "Make synthetic training videos with their ground truth.")
train = forward("cornerman_training.train", "train", "Train a model, stage by stage, from the gym's videos.")
