"""One word, one meaning: names of classes, retired words, and the glossary."""

import io
import re
import tokenize
from pathlib import Path

import pytest

from tests.style.measure import duplicate_classes
from tests.style.tree import ROOT, modules

RETIRED = {
    "album": "cache", "bell": "event", "desk": "worker", "exam": "eval run", "glance": "read", "heed": "watch",
    "hush": "silence filter", "insist": "retry", "keeper": "supervisor", "lane": "delay group", "lend": "share",
    "pastime": "distractor", "reel": "decoder", "shrinker": "frame scaler", "sitting": "eval run", "talker": "back end",
    "tether": "die with parent", "tethered": "die with parent", "uprighter": "frame orientation",
}  # fmt: skip
"""Private nouns of earlier code and the word that took their place."""

GLOSSARY = ROOT / "docs" / "glossary.md"
EVERY = modules()


def words_of(identifier: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case, singular where a plural ends in s."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", identifier)}
    return words | {word[:-1] for word in words if word.endswith("s")}


def sources() -> list[Path]:
    """Python files of packages, tests and benchmarks, without this folder."""
    folders = [*{module.path.parent for module in EVERY.values()}, ROOT / "benchmarks", ROOT / "tests"]
    files = {file for folder in folders for file in folder.rglob("*.py")}
    return sorted(file for file in files if file.parent != Path(__file__).parent)


def test_class_names_are_unique() -> None:
    assert duplicate_classes(EVERY.values()) == {}


def test_retired_words_stay_retired() -> None:
    found = []
    for file in sources():
        names = {file.stem}
        for token in tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline):
            if token.type == tokenize.NAME:
                names.add(token.string)
        for name in sorted(names):
            retired = sorted(words_of(name) & RETIRED.keys())
            found += [f"{file.relative_to(ROOT)}: {name}: write {RETIRED[word]}" for word in retired]
    assert found == []


def glossary() -> list[tuple[str, str, str]]:
    """(word, type, meaning) of each row of the glossary."""
    text = GLOSSARY.read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \|$", text, flags=re.MULTILINE)
    return [(word, kind.strip("`"), meaning) for word, kind, meaning in rows]


def test_glossary_defines_each_word_once() -> None:
    words = [word for word, _, _ in glossary()]
    assert len(words) == len(set(words))
    assert {"frame", "chunk", "features", "tokens", "decision", "request", "feedback", "source", "run"} <= set(words)
    assert {"lease", "fence", "credit", "hop", "look"} <= set(words)


@pytest.mark.parametrize(("word", "kind", "meaning"), glossary(), ids=lambda value: value if len(value) < 20 else "")
def test_glossary_types_exist(word: str, kind: str, meaning: str) -> None:
    assert meaning.endswith("."), f"{word}: one sentence"
    if kind == "–":
        return
    module, _, name = kind.rpartition(".")
    assert module in EVERY, f"{word}: no module {module!r}"
    assert re.search(rf"^(?:class|def|async def) {name}\b|^{name}\b", EVERY[module].text, flags=re.MULTILINE)
