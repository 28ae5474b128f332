"""Prints the requirements of the package, or of one of its extras, a line each: for the image's build."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(extra: str | None = None) -> list[str]:
    """Requirements from the pyproject.toml beside this file, or in the folder above it.

    Raises:
        KeyError: there is no such extra.
    """
    here = Path(__file__).parent
    path = next(folder / "pyproject.toml" for folder in (here, here.parent) if (folder / "pyproject.toml").is_file())
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    found: list[str] = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return found


if __name__ == "__main__":
    print(*requirements(*sys.argv[1:]), sep="\n")
