"""Keys: spelled in one module, one shard for a source, one hash slot for a shard."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_shared.bus.streams import Keys, shard_of

ROOT = Path(__file__).parents[3]
ARGUMENTS = {"source_id": "cam1", "run": "r1", "seq": 3, "name": "n", "array": "frames"}


def every_key(keys: Keys) -> dict[str, str]:
    """Every key of `Keys`, by the name of its property or method."""
    found = {}
    for name, member in inspect.getmembers(Keys):
        if isinstance(member, property):
            found[name] = getattr(keys, name)
        elif inspect.isfunction(member) and not name.startswith("_"):
            wanted = list(inspect.signature(member).parameters)[1:]
            found[name] = getattr(keys, name)(*(ARGUMENTS[argument] for argument in wanted))
    return found


def test_keys_carry_their_shard_tag() -> None:
    tags = {re.match(r"\{([^}]+)\}:", key) for key in every_key(Keys(3)).values()}
    assert {match[1] if match else None for match in tags} == {"cm3"}


def test_keys_are_distinct() -> None:
    keys = every_key(Keys(0))
    assert len(keys) > 15
    assert len(set(keys.values())) == len(keys)


def test_source_feedback_differs_from_shard_feedback() -> None:
    assert Keys(0).feedback("cam1") == "{cm0}:feedback:cam1"
    assert Keys(0).feedback_all == "{cm0}:feedback"


@pytest.mark.parametrize(("source_id", "shards", "shard"), [("cam1", 1, 0), ("cam1", 16, 6), ("demo", 16, 0)])
def test_shard_of_a_source_is_stable(source_id: str, shards: int, shard: int) -> None:
    """Other languages compute the shard too, and stored data must be found again: crc32 modulo shards."""
    assert shard_of(source_id, shards) == shard
    assert Keys.of(source_id, shards) == Keys(shard)


@given(st.text(), st.integers(1, 1024))
def test_every_source_has_a_shard(source_id: str, shards: int) -> None:
    assert 0 <= shard_of(source_id, shards) < shards


def test_no_other_module_spells_keys() -> None:
    """DESIGN: `streams.py` is the only file that spells a key."""
    spelled = re.compile(r"""["'](\{cm|cm:)""")
    allowed = {
        ROOT / "shared/cornerman_shared/bus" / name for name in ("streams.py", "consumer.py")
    }  # the consumer parses the shard
    files = [
        file
        for room in ("shared", "services", "cornerman")
        for file in (ROOT / room).rglob("*")
        if file.suffix in (".py", ".lua", ".js") and file not in allowed
    ]
    assert len(files) > 40
    assert [str(file) for file in files if spelled.search(file.read_text(encoding="utf-8"))] == []
