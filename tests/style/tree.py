"""The packages of this repository as modules, imports, classes and prose. Reads files as text; imports none of them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "cornerman": ".",
    "mobile_videogpt": ".",
    "cornerman_media": "media",
    "cornerman_pose": "pose",
    "cornerman_shared": "shared",
    "cornerman_common": "services/common",
    "cornerman_capture": "services/capture",
    "cornerman_encoder": "services/encoder",
    "cornerman_decider": "services/decider",
    "cornerman_generator": "services/generator",
    "cornerman_gateway": "services/gateway",
    "cornerman_training": "training",
}


@dataclass(frozen=True)
class Module:
    """One Python file.

    Attributes:
        name: import name.
        path: the file.
    """

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def classes(self) -> list[str]:
        """Public classes defined at module level."""
        return [n.name for n in self.tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]

    def docstrings(self) -> Iterator[str]:
        """Every docstring of the file, cleaned of indentation."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                doc = ast.get_docstring(node)
                if doc:
                    yield doc

    def comments(self) -> Iterator[str]:
        """Every comment without its hash."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.string.lstrip("#:! ").strip()


def modules(root: Path = ROOT) -> dict[str, Module]:
    """All modules of our packages below `root`, by import name."""
    found: dict[str, Module] = {}
    for package, folder in PACKAGES.items():
        for path in sorted((root / folder / package).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path)
    return found


def imports(found: dict[str, Module]) -> dict[str, set[str]]:
    """What each module imports of ours when it is imported: module level, without `if TYPE_CHECKING`."""
    return {name: _imports_of(module, found) - {name} for name, module in found.items()}


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """The longest chain of imports, from the importer down.

    Raises:
        ValueError: modules import one another in a circle.
    """
    best: dict[str, list[str]] = {}

    def chain(name: str, above: tuple[str, ...]) -> list[str]:
        if name in above:
            raise ValueError(f"circular import: {' > '.join((*above[above.index(name) :], name))}")
        if name not in best:
            below = [chain(other, (*above, name)) for other in sorted(graph[name])]
            best[name] = [name, *max(below, key=len, default=[])]
        return best[name]

    return max((chain(name, ()) for name in sorted(graph)), key=len)


def reachable(graph: dict[str, set[str]], *starts: str) -> set[str]:
    """The modules that are imported, directly or not, with `starts`; packages' `__init__` left out."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


def _imports_of(module: Module, found: dict[str, Module]) -> set[str]:
    names: set[str] = set()
    for node in _statements(module.tree.body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name in found}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in found:
                    names.add(inner)
                elif node.module in found:
                    names.add(node.module)
    return names


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.dump(node.test):
                yield from _statements(node.body + node.orelse)
        elif isinstance(node, ast.Try):
            yield from _statements(node.body)
        else:
            yield node
