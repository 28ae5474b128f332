"""The options that several commands share, and settings made from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cornerman.local.model_choice import choose_models, gate_of, head_of, threads_of
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


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """Validated settings, and what differs from file and environment, for the children."""

    settings: Settings
    overrides: dict[str, Any]

    def was_set(self, dotted: str) -> bool:
        """Did anybody choose this setting: by flag, variable or file?"""
        trees = (self.overrides, _file_tree())
        return f"CORNERMAN_{dotted.replace('.', '__').upper()}" in os.environ or any(
            _has(tree, dotted) for tree in trees
        )

    def with_flags(self, stronger: Mapping[str, Any]) -> CommandSettings:
        """With settings added that are stronger than all that were chosen here."""
        overrides = merge(self.overrides, stronger)
        return CommandSettings(load_settings(overrides), overrides)

    def filled(self, weaker: Mapping[str, Any]) -> CommandSettings:
        """With settings added that are weaker than all that were chosen here."""
        overrides = merge(weaker, self.overrides)
        return CommandSettings(load_settings(overrides), overrides)


def choose(
    config: str = "", redis: str = "", sets: Sequence[str] = (), *trees: dict[str, Any], **dotted: Any
) -> CommandSettings:
    """Settings from the options; a value of None was not given.

    Args:
        trees: nested settings that are weaker than `sets`.
        dotted: `speak__strategy="interval"`, weaker than `sets`, stronger than `trees`.

    Raises:
        ConfigError: names the setting, its value and what is allowed.
    """
    if config:
        path = Path(config).expanduser().absolute()
        if not path.is_file():
            raise ConfigError(f"--config {config!r}: there is no such file")
        os.environ["CORNERMAN_CONFIG"] = str(path)  # the services are our children and read it too
    pairs = [(name.replace("__", "."), value) for name, value in dotted.items() if value is not None]
    if redis:
        pairs.append(("redis.url", redis))
    overrides = merge(*trees, nest(pairs), nest(parse_set(sets)))
    return CommandSettings(load_settings(overrides), overrides)


def with_models(chosen: CommandSettings, tell: Callable[[str], None]) -> CommandSettings:
    """Puts the bundled model where no back end was chosen, its threads, and the gate of the head that decides.

    `tell` gets what a person must know of it.
    """
    players = choose_models(chosen.was_set)
    for note in players.notes:
        tell(note)
    chosen = chosen.filled(players.settings)
    chosen = chosen.filled(threads_of(chosen.settings, chosen.was_set))
    head = head_of(chosen.settings)
    if head is None:
        return chosen
    return chosen.filled({"speak": gate_of(head, chosen.was_set, chosen.settings.speak.strategy)})


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
    """How much services log into a terminal that shows results."""
    return {} if verbose or "CORNERMAN_LOG__LEVEL" in os.environ else {"log": {"level": "warning"}}
