"""The prose of docstrings, comments and pages, and the names of tests, against the bounds that we set ourselves."""

import statistics

from tests.style.measure import (
    IS_NO,
    NOBODY,
    WHAT,
    broken_docstrings,
    comments_per_hundred,
    pages_of,
    per_thousand,
    prose,
    words_of_tests,
)
from tests.style.tree import ROOT, modules

EVERY = modules()
TEXT = prose(EVERY.values(), pages_of(ROOT))


def test_definitions_start_with_the_thing() -> None:
    """Starlette's docs and docstrings have 1.3 of these in 1,000 words."""
    assert per_thousand(WHAT, TEXT) <= 1.3


def test_people_are_named_by_role() -> None:
    assert per_thousand(NOBODY, TEXT) <= 0.07
    assert per_thousand(IS_NO, TEXT) <= 0.07


def test_comments_say_why() -> None:
    assert 2.0 <= comments_per_hundred(EVERY.values()) <= 5.0


def test_docstrings_are_whole() -> None:
    assert broken_docstrings(EVERY.values()) == []


def test_test_names_are_short() -> None:
    counts = words_of_tests(ROOT / "tests")
    assert statistics.median(counts) <= 6
    assert max(counts) <= 10
