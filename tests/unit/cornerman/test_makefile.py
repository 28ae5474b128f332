"""Makefile: `make help`, and the targets that the README names."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TARGETS = ("help", "setup", "demo", "test", "unit", "lint", "faults", "bench", "clean")


def make(*line: str) -> str:
    return subprocess.run(["make", *line], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("line", [(), ("help",)])
def test_help_explains_every_target(line: tuple[str, ...]) -> None:
    meanings = dict(re.findall(r"^  make (\w+) +(\S.*)$", make(*line), re.MULTILINE))
    assert set(TARGETS) <= set(meanings)
    assert all(len(meaning) > 5 for meaning in meanings.values())


def test_readme_targets_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "faults"} <= named <= known | {"it"}


@pytest.mark.parametrize(("target", "command"), [("demo", "cornerman demo"), ("faults", "tests/faults")])
def test_args_are_passed_on(target: str, command: str) -> None:
    recipe = make("-n", target, "ARGS=--seconds 3 --json")
    (line,) = [row for row in recipe.splitlines() if command in row]
    assert line.endswith("--seconds 3 --json")


def test_setup_installs_into_venv_only() -> None:
    recipe = make("-n", "-B", "setup", "VENV=/tmp/nowhere-at-all")
    installs = [row for row in recipe.splitlines() if "pip install" in row]
    assert len(installs) == 2
    assert all(row.startswith("/tmp/nowhere-at-all/bin/python -m pip") for row in installs)
