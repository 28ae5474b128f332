"""`python -m tests.style.measure [FOLDER]`: how the code of a checkout reads, as one table.

FOLDER is the root of a checkout; default: this one. With `--below PATH` only files below that path are measured.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from tests.style.tree import ROOT, Module, imports, longest_chain, modules, reachable

WHAT = re.compile(r"\bwhat (?:is|was|are|were|has|had|have|comes?|came|it|they)\b", re.IGNORECASE)
NOBODY = re.compile(r"\b(?:nobody|somebody|anybody|everybody|whoever|for ever|anew|likewise)\b", re.IGNORECASE)
IS_NO = re.compile(r"\bis no (?!longer\b|more\b|such\b)[a-z]+", re.IGNORECASE)
CHUNK_PATH = (
    "cornerman_capture.publisher",
    "cornerman_encoder.service",
    "cornerman_decider.source_worker",
    "cornerman_generator.request_worker",
)
"""Where a chunk passes from hop to hop: what these four import is what a reader of the pipeline meets."""


def duplicate_classes(found: Iterable[Module]) -> dict[str, int]:
    """Public class names that more than one module defines, with their number."""
    counts = Counter(name for module in found for name in module.classes())
    return {name: count for name, count in counts.items() if count > 1}


def prose(found: Iterable[Module], pages: Iterable[Path] = ()) -> str:
    """Docstrings and comments of modules, and pages of Markdown without their code blocks."""
    parts = [text for module in found for text in (*module.docstrings(), *module.comments())]
    parts += [re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL) for page in pages]
    return "\n".join(parts)


def per_thousand(pattern: re.Pattern[str], text: str) -> float:
    """Matches in 1,000 words."""
    return 1000 * len(pattern.findall(text)) / max(1, len(re.findall(r"[A-Za-z']+", text)))


def comments_per_hundred(found: Iterable[Module]) -> float:
    """Comment lines in 100 lines of code that are not blank."""
    comments = lines = 0
    for module in found:
        comments += sum(1 for _ in module.comments())
        lines += sum(1 for line in module.text.splitlines() if line.strip())
    return 100 * comments / max(1, lines)


def words_of_tests(folder: Path) -> list[int]:
    """Words in the name of every test below `folder`, without the leading `test`."""
    counts: list[int] = []
    for path in sorted(folder.rglob("test_*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        counts += [name.count("_") for name in names if name.startswith("test_")]
    return counts


def broken_docstrings(found: Iterable[Module]) -> list[str]:
    """Docstrings whose first sentence breaks over a line that ends early, or leaves one word on the next line."""
    broken: list[str] = []
    for module in found:
        for doc in module.docstrings():
            lines = doc.splitlines()
            for line, following in pairwise(lines):
                if following and len(following.split()) == 1 and re.fullmatch(r"[a-z][\w`']*[.,]", following):
                    broken.append(f"{module.name}: {following!r} stands alone")
                elif following and len(line) < 60 and re.match(r"[a-z]", following) and re.search(r"[a-z,]$", line):
                    broken.append(f"{module.name}: {line!r} breaks early")
    return broken


def pages_of(root: Path) -> list[Path]:
    """Markdown pages for readers; the log of measurements and the changelog are history."""
    folders = [root, *(root / name for name in ("docs", "deploy", "mobile_videogpt", "training", "cornerman/assets"))]
    pages = {page for folder in folders for page in (folder.glob("*.md") if folder == root else folder.rglob("*.md"))}
    return sorted(p for p in pages if p.name not in ("LOG.md", "CHANGELOG.md") and "log" not in p.parts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.style.measure", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--below", default="", help="measure files below this path only")
    args = parser.parse_args()
    every = modules(args.folder)
    found = [m for m in every.values() if str(m.path.relative_to(args.folder)).startswith(args.below)]
    pages = (
        [] if args.below else [p for p in args.folder.rglob("*.md") if ".venv" not in p.parts and "LOG" not in p.name]
    )
    text = prose(found, pages)
    graph = imports(every)
    tests = words_of_tests(args.folder / "tests")
    path = reachable(graph, *CHUNK_PATH)
    rows = {
        "public class names in more than one module": len(duplicate_classes(every.values())),
        "longest import chain": len(longest_chain(graph)),
        "'what is, what was …' in 1,000 words": round(per_thousand(WHAT, text), 2),
        "'nobody, somebody, whoever …' in 1,000 words": round(per_thousand(NOBODY, text), 2),
        "'is no X' in 1,000 words": round(per_thousand(IS_NO, text), 2),
        "comments in 100 lines": round(comments_per_hundred(found), 1),
        "broken docstrings": len(broken_docstrings(found)),
        "words in a test's name, median": statistics.median(tests),
        "words in a test's name, most": max(tests),
        "one chunk: files": len(path),
        "one chunk: lines": sum(len(every[name].text.splitlines()) for name in path),
        "one chunk: public types": sum(len(every[name].classes()) for name in path),
    }
    for name, value in rows.items():
        print(f"{name:<48} {value}")
    print("longest chain:", " > ".join(longest_chain(graph)))


if __name__ == "__main__":
    main()
