"""Options shared by several commands, and the settings made from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cornerman.local.model_choice import ASSETS, choose_models, gate_of, head_folder, threads_of
from cornerman_common.pose_choice import estimator_missing, pose_settings
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.overrides import merge, nest, parse_set
from cornerman_shared.settings.tree import DEFAULT_FILE, Settings, load_settings

Config = Annotated[str, typer.Option("--config", metavar="FILE", help="Settings file. Default: cornerman.yaml here.")]
Redis = Annotated[str, typer.Option("--redis", metavar="URL", help="Server. Default: the embedded one.")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any setting, e.g. speak.interval_s=2. Repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON objects on stdout, one a line; logs on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the services log.")]
EncoderBackend = Annotated[str | None, typer.Option(help="Encoder back end: fake, mobile_videogpt or pose.")]
GeneratorBackend = Annotated[str | None, typer.Option(help="Generator back end: echo, mobile_videogpt, vlm, openai…")]

SERVER_S = 3.0
"""Longest time that a command which starts nothing waits for the server."""


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
        trees = (self.overrides, _file_tree())
        return f"CORNERMAN_{dotted.replace('.', '__').upper()}" in os.environ or any(
            _has(tree, dotted) for tree in trees
        )

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
            raise ConfigError(f"--config {config!r}: there is no such file")
        os.environ["CORNERMAN_CONFIG"] = str(path)  # the services, child processes, read it too
    pairs = [(name.replace("__", "."), value) for name, value in dotted.items() if value is not None]
    if redis:
        pairs.append(("redis.url", redis))
    # Later ones win: presets, then options, then --set.
    overrides = merge(*trees, nest(pairs), nest(parse_set(sets)))
    return CommandSettings(load_settings(overrides), overrides)


def with_models(chosen: CommandSettings, note: Callable[[str], None]) -> CommandSettings:
    """Adds the bundled model's back ends, threads and gate where they are not set.

    `note` is called with each sentence that people need to know about the choice.

    Raises:
        ConfigError: `encoder.backend` is pose, and landmarks cannot be estimated here.
    """
    if chosen.settings.encoder.backend == "pose":
        # Before the others: the generator and the strategy follow from it.
        if why := estimator_missing():
            raise ConfigError(f"encoder.backend = pose: {why}")
        return chosen.with_defaults(pose_settings(chosen.settings, chosen.was_set, ASSETS))
    models = choose_models(chosen.was_set)
    for sentence in models.notes:
        note(sentence)
    # In this order: threads and gate depend on the back ends and the strategy chosen here.
    chosen = chosen.with_defaults(models.settings)
    chosen = chosen.with_defaults(threads_of(chosen.settings, chosen.was_set))
    head = head_folder(chosen.settings)
    if head is None:
        return chosen
    return chosen.with_defaults({"speak": gate_of(head, chosen.was_set, chosen.settings.speak.strategy)})


def _file_tree() -> Mapping[str, Any]:
    path = Path(os.environ.get("CORNERMAN_CONFIG") or DEFAULT_FILE)
    tree = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    return tree if isinstance(tree, dict) else {}


def _has(tree: Mapping[str, Any], dotted: str) -> bool:
    head, _, rest = dotted.partition(".")
    if head not in tree:
        return False
    return not rest or (isinstance(tree[head], Mapping) and _has(tree[head], rest))


def quiet(verbose: bool) -> dict[str, Any]:
    """Settings that keep the services' logs out of a terminal that shows results."""
    return {} if verbose or "CORNERMAN_LOG__LEVEL" in os.environ else {"log": {"level": "warning"}}
