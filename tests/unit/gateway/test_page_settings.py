"""The page's settings offer every choice that the settings tree takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from cornerman_shared.settings import source

SCRIPT = (
    Path(__file__).parents[3] / "services" / "gateway" / "cornerman_gateway" / "static" / "js" / "settings.js"
).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "choices"), [("STRATEGIES", source.Strategy), ("ABOUT", source.Strategy), ("LOOKS", source.LookKind)]
)
def test_page_offers_every_choice(table: str, choices: object) -> None:
    found = re.search(rf"const {table} = {{(.*?)}};", SCRIPT, re.DOTALL)
    assert found is not None
    assert set(re.findall(r"(\w+): \"", found[1])) == set(get_args(choices))
