"""The structure a reader meets: import chains, files for one chunk, file sizes, and references that resolve."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

from tests.style.measure import CHUNK_PATH, pages_of
from tests.style.tree import PACKAGES, ROOT, imports, longest_chain, modules, reachable

EVERY = modules()
GRAPH = imports(EVERY)
OURS = re.compile(r"`((?:cornerman|mobile_videogpt)(?:_[a-z]+)?(?:\.\w+)+)(?:\(.*?\))?`")


def test_import_chain_is_short() -> None:
    chain = longest_chain(GRAPH)
    assert len(chain) <= 7, " > ".join(chain)


def test_imports_have_no_circle() -> None:
    """Imports inside functions and for types alone count too: a circle of ideas is hard to read either way."""
    graph = grimp.build_graph(*PACKAGES)
    below = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    order = TopologicalSorter(below)
    order.prepare()  # raises CycleError, which names the circle


def test_one_chunk_is_followed_quickly() -> None:
    path = reachable(GRAPH, *CHUNK_PATH)
    assert len(path) <= 35, sorted(path)
    assert sum(len(EVERY[name].classes()) for name in path) <= 55


def test_files_stay_small() -> None:
    long = {name: lines for name, module in EVERY.items() if (lines := len(module.text.splitlines())) > 400}
    assert long == {}


def test_dotted_references_resolve() -> None:
    """Docstrings, comments and pages name modules and their contents that exist."""
    stale = []
    for path in (*(module.path for module in EVERY.values()), *pages_of(ROOT)):
        names = OURS.findall(path.read_text(encoding="utf-8"))
        stale += [f"{path.relative_to(ROOT)}: `{name}`" for name in names if not resolves(name)]
    assert stale == []


def test_named_paths_exist() -> None:
    """Paths of our folders in docstrings, comments and pages exist."""
    stale = []
    pattern = re.compile(r"[`( ]((?:shared|services|training|media|deploy|docs|benchmarks|tests|cornerman)/[\w./-]*\w)")
    for path in (*(module.path for module in EVERY.values()), *pages_of(ROOT)):
        names = pattern.findall(path.read_text(encoding="utf-8"))
        stale += [f"{path.relative_to(ROOT)}: {name}" for name in names if not (ROOT / name).exists()]
    assert stale == []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or a name that a module's text defines."""
    if name in EVERY or Path(name).suffix in (".yaml", ".mp4"):
        return True
    module, _, rest = name.rpartition(".")
    while module:
        if module in EVERY:
            return re.search(rf"\b{rest.split('.')[0]}\b", EVERY[module].text) is not None
        module, _, head = module.rpartition(".")
        rest = f"{head}.{rest}"
    return False
