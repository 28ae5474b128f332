"""The commands by name, with the line that `cornerman --help` shows.

Only the command that is asked for is imported: help, completion of names and wrong usage cost no numpy, no redis.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import typer

FORWARD_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Typer context settings of a command that passes all its arguments on."""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command of `cornerman`.

    Attributes:
        help: one line; equal to the first paragraph of the command's own help.
        group: has commands of its own.
        forwards: passes its arguments to another program.
    """

    help: str
    group: bool = False
    forwards: bool = False


COMMANDS = {
    "demo": CommandEntry("Watch the bundled clip with the bundled model: five processes, on this machine's CPU."),
    "run": CommandEntry("Watch videos and print the feedback about them."),
    "up": CommandEntry(
        "Start the services and keep them running. Add sources with `cornerman sources add`, or on the page."
    ),
    "watch": CommandEntry("Follow the feedback about a source, or about all, until Ctrl-C."),
    "summary": CommandEntry("Sum up a session: sets, repetitions, mistakes, best and worst moment, what to work on."),
    "ask": CommandEntry("Ask about the picture shown now; the answer is printed as it comes."),
    "poll": CommandEntry("Ask about a video at a fixed interval, and measure every answer."),
    "comment": CommandEntry("Comment on videos as they go: a sentence when something new is seen, silence otherwise."),
    "annotate": CommandEntry(
        "Write a video with its feedback on the picture, and the same as subtitles (.vtt) beside it."
    ),
    "transcribe": CommandEntry("Write the words about a video as a file of subtitles, JSON lines or Markdown."),
    "bench": CommandEntry("Benchmarks: polling over several intervals, the parts of a model.", group=True),
    "status": CommandEntry("Workers, lag, credit, drops and rates."),
    "doctor": CommandEntry(
        "Check Python, torch, device, server, codecs, disk and the rest. Exit code 1 if something must be done."
    ),
    "evaluate": CommandEntry("Measure the times and texts of the coach's feedback against ground truth."),
    "gym": CommandEntry("Make synthetic training videos with their ground truth.", forwards=True),
    "train": CommandEntry("Train a model, stage by stage, from the gym's videos.", forwards=True),
    "sources": CommandEntry("What is being watched: add, list, set, seal, remove.", group=True),
    "profiles": CommandEntry("Profiles (what to watch for) and presets (how closely): list, show.", group=True),
    "teach": CommandEntry("Teach an exercise of your own from a few repetitions, and mistakes that it is to tell."),
    "exercises": CommandEntry("Own exercises, made by `teach`: list, show, add, remove.", group=True),
    "dlq": CommandEntry("Dead letters: list, show, replay, drop.", group=True),
    "export-llm": CommandEntry(
        "Write the language half as a plain Qwen2 checkpoint: for vLLM with prompt embeddings, or any other tool."
    ),
    "models": CommandEntry("Choices of model, with the one in use; weights: list, get.", group=True),
}


def add_commands(app: typer.Typer, wanted: str | None) -> None:
    """Adds every command to `app`: `wanted` itself, the others by name and help only.

    Args:
        wanted: name of the command that will run; None = all are imported.
    """
    for name, entry in COMMANDS.items():
        if wanted not in (None, name):
            app.command(name, help=entry.help)(_not_imported)
            continue
        identifier = name.replace("-", "_")
        module = importlib.import_module(f"cornerman.commands.{identifier}")
        if entry.group:
            app.add_typer(module.app, name=name)
        else:
            function: Callable[..., None] = getattr(module, identifier)
            app.command(name, context_settings=FORWARD_OPTIONS if entry.forwards else None)(function)


def _not_imported() -> None:
    """Stands for a command that the given command line does not run."""
