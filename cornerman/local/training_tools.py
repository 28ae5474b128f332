"""Runs the training tools as programs, if the extra that they need is installed."""

from __future__ import annotations

import importlib.util
import runpy
import sys

import typer

from cornerman_shared.errors import ConfigError
from cornerman_shared.process.exit_codes import EXIT_USAGE

NEEDS = ("torch", "numba")
WRONG_ARGUMENTS = 2


def run_tool(module: str, arguments: list[str], shown: str) -> None:
    """Runs the module as a program.

    Args:
        shown: name of the command, for messages and `sys.argv[0]`.

    Raises:
        ConfigError: the train extra, or the module, is not installed, or a file cannot be read or written.
        typer.Exit: the program's exit code; 64 for wrong arguments.
    """
    require_training(shown)
    if not _is_program(module):
        raise ConfigError(f"`{shown}`: this installation has no {module}")
    # The tool parses its arguments as if a shell had started it.
    sys.argv = [shown, *arguments]
    # runpy warns about a module that was imported before: it runs a second copy of it.
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
        # argparse says 2 about wrong usage, the other commands say 64.
        raise typer.Exit(EXIT_USAGE if code == WRONG_ARGUMENTS else code) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise ConfigError(f"`{shown}`: {error.filename}: {error.strerror}; give another path") from error


def require_training(shown: str, *more: str) -> None:
    """Checks that the packages of the training tools, and `more`, are installed.

    Raises:
        ConfigError: one is missing.
    """
    missing = [name for name in (*NEEDS, *more) if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"`{shown}` needs {', '.join(missing)}: pip install 'cornerman[model,train]'")


def _is_program(module: str) -> bool:
    """True for a plain module, or a package with a `__main__`."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return False
    if spec is None or spec.submodule_search_locations is None:
        return spec is not None
    return importlib.util.find_spec(f"{module}.__main__") is not None
