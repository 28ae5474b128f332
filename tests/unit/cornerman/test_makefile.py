"""Makefile: `make help`, and the targets that the README names."""

import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.compat.bounds import lower_bounds, pins

ROOT = Path(__file__).parents[3]
TARGETS = ("help", "setup", "demo", "test", "unit", "lint", "compat", "faults", "bench", "clean")


def make(*line: str) -> str:
    return subprocess.run(["make", *line], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("line", [(), ("help",)])
def test_help_explains_every_target(line: tuple[str, ...]) -> None:
    meanings = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", make(*line), re.MULTILINE))
    assert set(TARGETS) <= set(meanings)
    assert all(len(meaning) > 5 for meaning in meanings.values())


def test_coach_weights_follow_from_one_seed() -> None:
    lines = make("-n", "--file", "training/skeleton.mk", "OUT=build/none", "SEED=7").splitlines()
    trainings = [line for line in lines if "skeleton.train" in line]
    assert [re.findall("--(?:keep|drawn|alone)", line) for line in trainings] == [
        [],
        ["--keep"],
        ["--drawn"],
        ["--alone"],
    ]
    assert all("--seed 7" in line for line in [*trainings, *(line for line in lines if "learn_figures" in line)])
    given = [re.search(r"--start build/none/(\w+)/", line) for line in trainings]
    assert [one and one[1] for one in given] == [None, "first", "people", "drawn"]


def test_readme_targets_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z0-9-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    known = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
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


def test_setup_installs_tested_versions() -> None:
    installs = [row for row in make("-n", "-B", "setup").splitlines() if "torch==2" in row]
    assert len(installs) == 2
    assert "--constraint constraints.txt" in make("-n", "-B", "setup")
    newest = make("-n", "-B", "setup", "CONSTRAINTS=")
    assert "--constraint" not in newest
    assert "--upgrade-strategy eager" in newest


def test_constraints_are_names_and_versions() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)] == []
    assert "torch==2.13.0" in lines
    assert not [line for line in lines if line.startswith("triton")], "each build of torch requires its own triton"


def test_constraints_hold_for_the_oldest_python() -> None:
    """Debian 12 has Python 3.11.2; a release for 3.11.5 and newer made set-up fail there."""
    asked = {one.name.lower(): one.metadata["Requires-Python"] for one in distributions()}
    pinned = {name: asked[name] for name in pins(ROOT / "constraints.txt") if name in asked}
    assert len(pinned) > 80
    refused = {name: python for name, python in pinned.items() if python and "3.11.0" not in SpecifierSet(python)}
    assert refused == {}


def test_constraints_satisfy_lower_bounds() -> None:
    pinned = pins(ROOT / "constraints.txt")
    bounds = lower_bounds(ROOT / "pyproject.toml", ["model", "pose", "web", "webrtc", "train", "dev"])
    unpinned = {name for name in bounds if name not in pinned}
    assert unpinned == {"triton"}
    low = {n: pinned[n] for n, b in bounds.items() if n in pinned and Version(pinned[n]) < Version(b)}
    assert low == {}


def test_too_old_python_is_told(tmp_path: Path) -> None:
    """An old one failed later, in pip, with the name of a package."""
    line = ["make", "setup", f"VENV={tmp_path / 'venv'}", "PYTHON=false"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "false is no Python of 3.11 or newer" in done.stderr
    assert list(tmp_path.iterdir()) == []
