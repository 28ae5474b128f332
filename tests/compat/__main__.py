"""make compat: installs each end of the allowed versions, runs the tests there, names what broke.

Needs nothing but Python's own library. Ends with 1 if an end cannot be installed or a test fails there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.compat.bounds import lower_bounds, pins
from tests.compat.environment import Environment, InstallError, Outcome


def suspects(installed: dict[str, str], tested: dict[str, str], output: str) -> list[str]:
    """Packages whose version is not the tested one, those that the output names most often first."""
    other = [name for name, version in installed.items() if tested.get(name, version) != version]
    text = output.lower()
    return sorted(other, key=lambda name: -max(text.count(name), text.count(name.replace("-", "_"))))


def remaining(failing: frozenset[str], now: frozenset[str]) -> frozenset[str]:
    """Those of `failing` that fail now. A module that cannot be collected stands for all its tests."""

    def same(one: str, other: str) -> bool:
        return f"{one}::".startswith(f"{other}::") or f"{other}::".startswith(f"{one}::")

    return frozenset(test for test in failing if any(same(test, one) for one in now))


def find_broken(environment: Environment, tested: dict[str, str], outcome: Outcome) -> list[str]:
    """Puts one package after another back to its tested version; those that made tests pass, as sentences."""
    broken, installed = [], environment.versions()
    # A test that passes now depends on the tests before it, not on a version alone.
    failing = remaining(outcome.failing, environment.test_failed().failing)
    if outcome.failing - failing:
        broken.append(f"passed when run again by themselves: {', '.join(sorted(outcome.failing - failing)[:5])}")
    for name in suspects(installed, tested, outcome.output):
        if not failing:
            break
        try:
            environment.install(f"{name}=={tested[name]}")
        except InstallError as error:
            print(f"  {name} {tested[name]} could not be put back: {str(error).splitlines()[-1]}")
            continue
        still = remaining(failing, environment.test_failed().failing)
        if failing - still:
            broken.append(f"{name} {installed[name]} broke {len(failing - still)} tests; {tested[name]} passes")
        failing = still
    if failing:
        broken.append(f"no package explains {len(failing)} tests: {', '.join(sorted(failing)[:5])}")
    return broken


def run_end(end: str, options: argparse.Namespace) -> tuple[dict[str, str], list[str]]:
    """Installs and tests one end. Returns the installed versions and what is wrong."""
    environment = Environment(options.folder / end, options.root)
    constraints = options.folder / f"{end}.txt"
    bounds = lower_bounds(options.root / "pyproject.toml", options.extras)
    pinned = bounds if end == "lowest" else {}
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in sorted(pinned.items())))
    project = f"{options.root}[{','.join(options.extras)}]"
    print(f"{end}: installing", flush=True)
    try:
        if options.torch:
            environment.install("--constraint", str(constraints), options.torch)
        environment.install("--constraint", str(constraints), *filter(None, [options.torch]), "--editable", project)
    except InstallError as error:
        return {}, [f"cannot be installed:\n{error}"]
    versions = environment.versions()
    print(f"{end}: testing", flush=True)
    outcome = environment.test()
    (options.folder / f"{end}.log").write_text(outcome.output)
    print(f"{end}: {outcome.output.strip().splitlines()[-1]}", flush=True)
    if outcome.passed:
        return versions, []
    if not outcome.failing:
        return versions, [f"pytest ended with {outcome.code}; see {options.folder / end}.log"]
    return versions, find_broken(environment, pins(options.root / "constraints.txt"), outcome)


def table(columns: dict[str, dict[str, str]], names: list[str]) -> str:
    """A Markdown table of the versions of `names`, a column for each entry of `columns`."""
    rows = [["package", *columns], ["---"] * (len(columns) + 1)]
    rows += [[name, *(versions.get(name, "-") for versions in columns.values())] for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Runs both ends; 0 if both pass."""
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the project")
    parser.add_argument("--folder", type=Path, default=Path(".compat"), help="for environments and logs")
    parser.add_argument("--extras", type=lambda text: text.split(","), default=["dev"])
    parser.add_argument("--torch", default="", help="installed first and alone, at both ends")
    parser.add_argument("--end", choices=["lowest", "newest"], action="append", help="only this end")
    options = parser.parse_args()
    options.root, options.folder = options.root.resolve(), options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    columns, wrong = {}, {}
    for end in options.end or ["lowest", "newest"]:
        columns[end], wrong[end] = run_end(end, options)
    columns["tested"] = pins(options.root / "constraints.txt")
    print(table(columns, sorted(lower_bounds(options.root / "pyproject.toml", options.extras))))
    for end, sentences in wrong.items():
        for sentence in sentences:
            print(f"{end}: {sentence}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
