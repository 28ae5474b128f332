"""Options shared by several commands, and the settings made from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cornerman_common.model_choice import LOADING, resolve_models
from cornerman_common.model_parts import ModelChoice
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.origin import GivenSettings
from cornerman_shared.settings.overrides import merge, nest, parse_set
from cornerman_shared.settings.source import Strategy
from cornerman_shared.settings.tree import Settings, load_settings

WATCH: Final = "What is watched"
SPEAK: Final = "When to speak, and what"
MODEL: Final = "Model"
OUTPUT: Final = "Output"
MORE: Final = "Settings"
"""Panels of `--help`; every command with more than ten options has its options in panels."""

Config = Annotated[
    str,
    typer.Option("--config", metavar="FILE", help="Settings file. Default: cornerman.yaml here.", rich_help_panel=MORE),
]
Redis = Annotated[
    str,
    typer.Option("--redis", metavar="URL", help="Server. Default: the embedded one.", rich_help_panel=MORE),
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting, e.g. speak.interval_s=2. Repeatable.",
        rich_help_panel=MORE,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="JSON objects on stdout, one a line; logs on stderr.", rich_help_panel=OUTPUT),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the services log.", rich_help_panel=OUTPUT)]
Record = Annotated[
    str | None,
    typer.Option(
        "--record",
        metavar="DIR",
        help="Record video, words, events and a report in a folder in DIR.",
        rich_help_panel=OUTPUT,
    ),
]
EncoderBackend = Annotated[
    str | None,
    typer.Option("--encoder", help="Encoder back end: mobile_videogpt, pose or fake.", rich_help_panel=MODEL),
]
GeneratorBackend = Annotated[
    str | None,
    typer.Option("--generator", help="Generator back end: echo, mobile_videogpt, vlm, openai…", rich_help_panel=MODEL),
]
Encoders = Annotated[int, typer.Option("--encoders", min=1, help="Encoder processes.", rich_help_panel=MODEL)]
Generators = Annotated[int, typer.Option("--generators", min=1, help="Generator processes.", rich_help_panel=MODEL)]
Seconds = Annotated[float | None, typer.Option("--seconds", min=0.1, help="Stop after so long.", rich_help_panel=WATCH)]
Prompt = Annotated[str | None, typer.Option("--prompt", help="What the model is asked.", rich_help_panel=SPEAK)]
SpeakStrategy = Annotated[
    Strategy | None, typer.Option("--strategy", help="Who decides when to speak.", rich_help_panel=SPEAK)
]


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """Validated settings of a command, and its overrides for child processes.

    Attributes:
        overrides: nested settings that differ from the file and the environment.
    """

    settings: Settings
    overrides: dict[str, Any]

    def was_set(self, dotted: str) -> bool:
        """True if this setting, e.g. `encoder.backend`, is set by flag, environment variable or file."""
        return self.given().was_set(dotted)

    def given(self) -> GivenSettings:
        """The settings that are set, without defaults."""
        return GivenSettings(self.overrides)

    def with_flags(self, stronger: Mapping[str, Any]) -> CommandSettings:
        """A copy with settings that replace those set here."""
        overrides = merge(self.overrides, stronger)
        return CommandSettings(load_settings(overrides), overrides)

    def with_defaults(self, weaker: Mapping[str, Any]) -> CommandSettings:
        """A copy with settings that apply where none is set here."""
        overrides = merge(weaker, self.overrides)
        return CommandSettings(load_settings(overrides), overrides)


def command_settings(
    config: str = "", redis: str = "", sets: Sequence[str] = (), *trees: dict[str, Any], **dotted: Any
) -> CommandSettings:
    """Settings from a command's options. Options that are None leave the setting alone.

    Args:
        sets: `name=value` pairs; they replace `dotted`, which replaces `trees`.
        trees: nested settings.
        dotted: for example `speak__strategy="interval"`.

    Raises:
        ConfigError: names the setting, its value and the allowed values.
    """
    if config:
        path = Path(config).expanduser().absolute()
        if not path.is_file():
            what = "it is not a file" if path.exists() else "there is no such file"
            raise ConfigError(f"--config {config!r}: {what}; give a YAML file of settings")
        os.environ["CORNERMAN_CONFIG"] = str(path)  # the services, child processes, read it too
    pairs = [(name.replace("__", "."), value) for name, value in dotted.items() if value is not None]
    if redis:
        pairs.append(("redis.url", redis))
    # Later ones win: presets, then options, then --set.
    overrides = merge(*trees, nest(pairs), nest(parse_set(sets)))
    return CommandSettings(load_settings(overrides), overrides)


def with_models(
    chosen: CommandSettings,
    note: Callable[[str], None],
    *,
    loads: Collection[str] = LOADING,
    people: bool | None = None,
) -> tuple[CommandSettings, ModelChoice]:
    """Resolves who encodes, decides and speaks; returns the settings with the choice, and the choice.

    Args:
        note: called with each sentence that people need to know about the choice.
        loads: roles that this command starts.
        people: as for `resolve_models`.

    Raises:
        ConfigError: the settings do not go together; nothing was started.
    """
    choice = resolve_models(chosen.overrides, loads=loads, people=people)
    for sentence in (choice.coach, *choice.notes):
        if sentence:
            note(sentence)
    return CommandSettings(choice.settings, choice.overrides), choice


def quiet(verbose: bool) -> dict[str, Any]:
    """Settings that keep the services' logs out of a terminal that shows results."""
    return {} if verbose or "CORNERMAN_LOG__LEVEL" in os.environ else {"log": {"level": "warning"}}
