"""The `cornerman` command: all commands, and one sentence and an exit code for every error.

Exit codes: 0 success, 64 wrong usage, 66 a source could not be read or gave no picture, 69 no server, 70 something
failed, 78 a setting is wrong, 130 interrupted twice.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cornerman import __version__
from cornerman.command_table import add_commands
from cornerman.option_names import in_typed_words
from cornerman_shared.errors import ConfigError, CornermanError, RetryableError, SourceError
from cornerman_shared.process.exit_codes import (
    EXIT_CONFIG,
    EXIT_NO_INPUT,
    EXIT_NO_SERVER,
    EXIT_OK,
    EXIT_SOFTWARE,
    EXIT_USAGE,
)
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

EXIT_INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cornerman {__version__}")
        raise typer.Exit


def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    # structlog is slow to import, and help and completion log nothing.
    from cornerman_shared.process import logs

    # No settings are loaded yet: the command's own log level comes from the environment alone.
    level = os.environ.get("CORNERMAN_LOG__LEVEL", "warning").lower()
    logs.configure(level if level in logs.LEVELS else "warning", role="cornerman")


def build_app(arguments: Sequence[str], completes: bool = False) -> typer.Typer:
    """The command line; of its commands only the one in `arguments` is imported.

    Args:
        completes: a shell asks for the rest of a word: all commands are imported.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="Watches live video and speaks only when it helps. Start with `cornerman demo`.",
    )
    app.callback()(_root)
    first_word = next((argument for argument in arguments if not argument.startswith("-")), "")
    add_commands(app, wanted=None if completes else first_word)
    return app


def invoke(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code. An error is one red sentence on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        app = build_app(arguments, completes="_CORNERMAN_COMPLETE" in os.environ)
        # Not standalone: typer raises its errors instead of printing them and exiting.
        code: Any = app(args=arguments if argv is not None else None, standalone_mode=False)
        return int(code or EXIT_OK)
    except CornermanError as error:
        _complain(in_typed_words(str(error), arguments))
        if isinstance(error, ConfigError):
            return EXIT_CONFIG
        if isinstance(error, SourceError):
            return EXIT_NO_INPUT
        return EXIT_NO_SERVER if isinstance(error, RetryableError) else EXIT_SOFTWARE
    except KeyboardInterrupt:
        return EXIT_OK
    except asyncio.CancelledError:
        return EXIT_INTERRUPTED  # a second Ctrl-C, while ending in order
    except Exception as error:
        return _usage(error)


def _usage(error: Exception) -> int:
    """The exit code of typer's own errors, which carry a message; any other exception is a bug and is raised."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        return EXIT_OK
    message = getattr(error, "format_message", None)
    if message is None or not hasattr(error, "exit_code"):
        raise error
    context = getattr(error, "ctx", None)
    _complain(f"{message()}" + (f"\n{context.get_usage()}" if context else ""))
    return EXIT_USAGE


def _complain(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True, highlight=False).print(
        Text(f"cornerman: {clean_text(redact_url(text))}", style="red")
    )


def main() -> None:
    """Entry point of the console script."""
    sys.exit(invoke())


if __name__ == "__main__":
    main()
