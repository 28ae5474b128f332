"""The options that several commands share, and settings made from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from shared.config import Settings, load_settings
from shared.errors import ConfigError
from shared.flags import merge, nest, parse_set

Config = Annotated[str, typer.Option("--config", metavar="FILE", help="Settings file. Default: cornerman.yaml here.")]
Redis = Annotated[str, typer.Option("--redis", metavar="URL", help="Server. Default: the embedded one.")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any setting, e.g. speak.interval_s=2. Repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON objects on stdout, one a line; logs on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the services log.")]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Validated settings, and what differs from file and environment, for the children."""

    settings: Settings
    overrides: dict[str, Any]


def choose(
    config: str = "", redis: str = "", sets: Sequence[str] = (), *trees: dict[str, Any], **dotted: Any
) -> Chosen:
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
    return Chosen(load_settings(overrides), overrides)


def quiet(verbose: bool) -> dict[str, Any]:
    """How much services log into a terminal that shows results."""
    return {} if verbose or "CORNERMAN_LOG__LEVEL" in os.environ else {"log": {"level": "warning"}}
