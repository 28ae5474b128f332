"""Checks that every requirement of the images has a wheel for Linux on arm64: `make arm64`. Needs a package index.

Nothing is installed. Torch is checked without what it requires: its CPU build for arm64 comes from its own index, and
the one of the default index asks for CUDA packages.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from requirements import requirements

PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28)] + ["manylinux2014_aarch64"]
PYTHON = "3.11"


def resolve(wanted: list[str], *options: str) -> str:
    """What pip would install; raises CalledProcessError, with pip's reason on stderr, if a wheel is missing."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary=:all:"]
    command += [part for name in PLATFORMS for part in ("--platform", name)]
    with tempfile.TemporaryDirectory() as target:
        command += ["--python-version", PYTHON, "--target", target, "-c", "constraints.txt", *options, *wanted]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    # Markers are evaluated for the machine that runs this, and both are Linux.
    model = [each for each in requirements("model") if not each.startswith("torch")]
    others = [each for each in model if not each.startswith(("peft", "accelerate"))]
    extras = [each for extra in ("tracing", "web", "pose") for each in requirements(extra)]
    print(resolve([*requirements(), *extras, *others]))
    # peft and accelerate require torch, so their own wheels are looked at alone.
    print(resolve(["torch", "peft", "accelerate"], "--no-deps"))


if __name__ == "__main__":
    main()
