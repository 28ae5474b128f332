"""`docs/streams.md` names every message, field, key and counter of the code."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest

from cornerman_shared.bus import messages, streams
from cornerman_shared.bus.codec import NAMES
from cornerman_shared.bus.streams import Keys

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
KINDS = [kind for _, kind in inspect.getmembers(messages, dataclasses.is_dataclass)]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """`docs/generate_asyncapi.py`, which parses the page."""
    spec = importlib.util.spec_from_file_location("generate_asyncapi", ROOT / "docs" / "generate_asyncapi.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_messages_are_frozen_and_slotted(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert hasattr(kind, "__slots__")
    assert not hasattr(kind, "__dict__") or "__dict__" not in kind.__slots__  # type: ignore[attr-defined]


def test_every_message_has_a_wire_name() -> None:
    parts = {messages.Times, messages.BlobRef, messages.ChunkRef, messages.Sampling}
    parts |= {messages.MovementSeen, messages.MistakeSeen}
    assert set(NAMES) | parts == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_page_names_every_field_and_type(kind: type, generator: ModuleType) -> None:
    rows = generator.rows(PAGE)[kind.__name__]
    hints = typing.get_type_hints(kind)
    wanted = {field.name: generator.spoken(hints[field.name]) for field in dataclasses.fields(kind)}
    assert {name: row.type for name, row in rows.items()} == wanted
    assert [name for name, row in rows.items() if not row.meaning] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_unit_suffixes_match_the_page(kind: type, generator: ModuleType) -> None:
    units = {"_at_s": "unix s", "at_s": "unix s", "_ms": "ms", "_bytes": "bytes", "pts_s": "s"}
    for name, row in generator.rows(PAGE)[kind.__name__].items():
        suffix = max((end for end in units if name.endswith(end)), key=len, default="")
        if suffix:
            assert row.unit == units[suffix], name


def test_page_names_every_key() -> None:
    named = set(re.findall(r"`((?:\{cm<shard>\}|cm):[^`]*)`", PAGE))
    arguments = {"source_id": "<source_id>", "run": "<run>", "seq": "<seq>", "name": "<what>", "array": "<what>"}
    wanted = {streams.WORKERS, streams.SHARDS, streams.worker_key("<role>", "<name>")}
    for name, member in inspect.getmembers(Keys):
        if isinstance(member, property):
            wanted.add(getattr(Keys(0), name))
        elif inspect.isfunction(member) and not name.startswith("_"):
            names = list(inspect.signature(member).parameters)[1:]
            wanted.add(member(Keys(0), *(arguments[argument] for argument in names)))
    assert {key.replace("{cm0}", "{cm<shard>}") for key in wanted} == named


def test_page_names_every_counter() -> None:
    named = set(re.findall(r"^\| `([a-z_:<>]+)` \|[^|]*\| (?:capture|encoder|decider|generator)", PAGE, flags=re.M))
    counted: set[str] = set()
    for file in [*(ROOT / "services").rglob("*.py"), ROOT / "shared/cornerman_shared/bus/registry.py"]:
        text = file.read_text(encoding="utf-8")
        for call in re.findall(r"\.count\(\s*(?:[\w.]+(?:\([\w.]+\))?),\s*([^\n]*)", text):
            counted |= set(re.findall(r'"([a-z_]+)"', call.replace('== "', "")))
    statuses = {"done", "failed", "ok"}
    assert counted - statuses <= named
    assert {"captured", "sampled", "due", "published", "dropped:<reason>"} <= named


def test_unsupported_type_is_refused(generator: ModuleType) -> None:
    with pytest.raises(KeyError):
        generator.spoken(complex)
