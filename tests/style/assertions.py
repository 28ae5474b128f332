"""`python -m tests.style.assertions BEFORE AFTER`: assertions of two checkouts, folder by folder.

Counts `assert` statements and `pytest.raises` or `pytest.warns` blocks, and fails when a folder of tests has fewer.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from pathlib import Path


def assertions_in(path: Path) -> int:
    """Assertions of one file."""
    count = 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assert):
            count += 1
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            count += node.func.attr in ("raises", "warns") and ast.unparse(node.func.value) == "pytest"
    return count


def assertions_of(root: Path) -> Counter[str]:
    """Assertions by folder below `root/tests`; helpers beside the tests count as well."""
    counts: Counter[str] = Counter()
    for path in sorted((root / "tests").rglob("*.py")):
        counts[str(path.parent.relative_to(root))] += assertions_in(path)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.style.assertions", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args()
    before, after = assertions_of(args.before), assertions_of(args.after)
    for folder in sorted({*before, *after}):
        print(
            f"{folder:<32} {before[folder]:>6} {after[folder]:>6} {'FEWER' if after[folder] < before[folder] else ''}"
        )
    return int(any(after[folder] < count for folder, count in before.items()))


if __name__ == "__main__":
    sys.exit(main())
