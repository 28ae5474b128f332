"""Benchmarks of this tree beside those of another commit, in the same run.

    python -m benchmarks.against COMMIT [--rounds 3] [--minutes 10] [--only bus scale] [-- OPTIONS]

Checks the commit out into a temporary worktree and runs each benchmark there and here in turn, so that other load on
the machine slows both. OPTIONS go to the benchmarks. Prints one JSON object for each figure: the medians and `ratio`,
here divided by there. Files that are not committed count as here. It takes `--minutes` at most, shared among the
benchmarks: a round that would not end in time is not begun, and one that does not end counts with the rows it printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
IDENTITY = ("benchmark", "payload", "way", "workers")
"""Fields that tell the rows of a benchmark apart."""
BEGIN = re.compile(r"^\{", re.MULTILINE)


def main(argv: list[str]) -> int:
    options = argv[argv.index("--") + 1 :] if "--" in argv else []
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0, help="of everything, at most")
    parser.add_argument("--only", nargs="+", default=["bus", "scale"], metavar="NAME")
    given = parser.parse_args(argv[: argv.index("--")] if "--" in argv else argv)
    limit_s = given.minutes * 60 / len(given.only)
    note(f"{', '.join(given.only)}: at most {given.minutes:g} minutes in all, {limit_s:.0f} s each")
    with tempfile.TemporaryDirectory() as name:
        there = Path(name) / "there"
        git("worktree", "add", "--detach", "--quiet", str(there), given.commit)
        try:
            for benchmark in given.only:
                compare(benchmark, there, given.rounds, options, limit_s)
        finally:
            git("worktree", "remove", "--force", str(there))
    return 0


def git(*arguments: str) -> None:
    """Runs git in this tree.

    Raises:
        CalledProcessError: it failed; its message is on stderr.
    """
    subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)


def compare(benchmark: str, there: Path, rounds: int, options: list[str], limit_s: float) -> None:
    """Runs a benchmark in both trees in turn, for at most `limit_s` seconds, and prints a row for each figure."""
    found: dict[str, dict[str, list[float]]] = {"here": defaultdict(list), "there": defaultdict(list)}
    begun_s, round_s = time.monotonic(), 0.0
    for number in range(rounds):
        left_s = limit_s - (time.monotonic() - begun_s)
        if left_s < round_s:
            note(f"{benchmark}: no time for round {number + 1} of {rounds}; give more with --minutes")
            break
        at_s = time.monotonic()
        # The order changes, so that neither tree always runs on the warmer machine.
        for side in ("there", "here") if number % 2 else ("here", "there"):
            note(f"{benchmark}: round {number + 1} of {rounds}, {side}; {left_s:.0f} s left")
            for row in run(benchmark, ROOT if side == "here" else there, options, left_s / 2):
                for name, value in figures(row):
                    found[side][name].append(value)
        round_s = time.monotonic() - at_s
    for name, here in found["here"].items():
        if values := found["there"].get(name):
            pair = {"here": round(statistics.median(here), 4), "there": round(statistics.median(values), 4)}
            ratio = round(pair["here"] / pair["there"], 3) if pair["there"] else None
            print(json.dumps({"benchmark": benchmark, "figure": name, **pair, "ratio": ratio}), flush=True)


def note(text: str) -> None:
    """Tells progress on stderr."""
    print(f"against: {text}", file=sys.stderr, flush=True)


def run(benchmark: str, tree: Path, options: list[str], limit_s: float) -> list[dict[str, Any]]:
    """The JSON objects that a benchmark prints in a tree within `limit_s` seconds.

    Raises:
        CalledProcessError: it failed; its message is on stderr.
    """
    folders = [tree, *(tree / name for name in ("media", "pose", "shared", "training")), *tree.glob("services/*")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(folder) for folder in folders)}
    line = [sys.executable, "-m", f"benchmarks.{benchmark}", *options]
    with subprocess.Popen(line, cwd=tree, env=environment, stdout=subprocess.PIPE) as process:
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            note(f"{benchmark}: stopped after {limit_s:.0f} s")
            process.send_signal(signal.SIGINT)  # ends its servers and workers too
            output, _ = process.communicate()
        else:
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, line)
    return objects_in(output.decode())


def objects_in(output: str) -> list[dict[str, Any]]:
    """The JSON objects that begin at the start of a line, over as many lines as each takes.

    >>> objects_in('warming up\\n{"a": 1}\\n{\\n  "b": {"c": 2}\\n}\\n{"cut": ')
    [{'a': 1}, {'b': {'c': 2}}]
    """
    found, at = [], 0
    while begin := BEGIN.search(output, at):
        try:
            value, at = json.JSONDecoder().raw_decode(output, begin.start())
            found.append(value)
        except ValueError:  # other text, or an object that was cut off
            at = begin.end()
    return found


def figures(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and values of the numbers in a row.

    >>> list(figures({"benchmark": "bus", "way": "blob", "latency": {"p50": 1.5}}))
    [('bus blob latency p50', 1.5)]
    """
    start = [str(row[name]) for name in IDENTITY if name in row]

    def walk(value: Any, path: list[str]) -> Iterator[tuple[str, float]]:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                yield from walk(inner, [*path, str(name)])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield " ".join(path), float(value)

    for name, value in row.items():
        if name not in IDENTITY:
            yield from walk(value, [*start, name])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
