"""The pages of promises: every test that a row names exists, and every row names one; the README points to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ("docs/reliability.md", "docs/security.md")


def rows(page: str) -> list[str]:
    lines = (ROOT / page).read_text().splitlines()
    found = [line for line in lines if line.startswith("| ") and not re.match(r"\| (fault|attack) \|", line)]
    assert len(found) > 20
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_row_names_a_test(page: str) -> None:
    known = {
        name for file in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    for row in rows(page):
        tests = set(re.findall(r"`(test_\w+)`", row))
        files = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert tests or files or "python -m benchmarks." in row, row
        assert tests <= known, tests - known
        assert all((ROOT / file).is_file() for file in files), row


def test_readme_points_to_both_pages() -> None:
    guarantees = (ROOT / "README.md").read_text().partition("## Guarantees")[2].partition("\n## ")[0]
    assert all(f"({page})" in guarantees for page in PAGES)
