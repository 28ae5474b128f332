"""Paths of the files bundled with the package `cornerman`. Imports neither it nor torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cornerman_shared.errors import ConfigError


def bundled(*parts: str) -> Path:
    """Path below the bundled assets of the package `cornerman`, which is not imported.

    Raises:
        ConfigError: the package is not installed.
    """
    spec = importlib.util.find_spec("cornerman")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    if not roots:
        raise ConfigError("the package `cornerman` is not installed, so there is no bundled model; give a path")
    return Path(roots[0], "assets", *parts)


def check_exists(setting: str, value: str) -> None:
    """Checks that a model named by a path is on this machine. A hub name is not looked up.

    Raises:
        ConfigError: there is no such path.
    """
    if value.startswith((".", "/", "~")) and not Path(value).expanduser().exists():
        raise ConfigError(f"{setting} = {value!r}: there is no such file or folder; give a path or a hub name")
