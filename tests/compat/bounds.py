"""Version bounds: what pyproject.toml allows and what constraints.txt pins."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[[^\]]*\])?\s*>=\s*(?P<lowest>[\w.]+)")


class BoundError(ValueError):
    """A requirement that says no lowest version."""


def canonical(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lower_bounds(pyproject: Path, extras: list[str]) -> dict[str, str]:
    """The lowest version of every direct dependency, by canonical name.

    Args:
        pyproject: the project's pyproject.toml.
        extras: the optional dependencies to include.

    Raises:
        BoundError: if a requirement has no `>=`.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    optional = project.get("optional-dependencies", {})
    requirements = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    lowest = {}
    for line in requirements:
        match = _REQUIREMENT.match(line)
        if match is None:
            raise BoundError(f"{line!r} in {pyproject} has no lower bound; write {line.split(';')[0].strip()}>=VERSION")
        lowest[canonical(match["name"])] = match["lowest"]
    return lowest


def pins(constraints: Path) -> dict[str, str]:
    """The versions of a file of `name==version` lines, by canonical name."""
    lines = (line.split("#")[0].strip() for line in constraints.read_text().splitlines())
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines if line)}
