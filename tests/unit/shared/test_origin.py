"""Which settings were set: flags, variables, the short URL, the file, and a source's own entry."""

from pathlib import Path

import pytest

from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.origin import GivenSettings


def test_defaults_are_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = GivenSettings()
    assert given.tree == {}
    assert not given.was_set("watch")


def test_strongest_origin_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cornerman.yaml").write_text("watch: {give_up_s: 1, loop: true}\nencoder: {batch: 2}\n")
    monkeypatch.setenv("CORNERMAN_WATCH", '{"give_up_s": 2}')
    monkeypatch.setenv("CORNERMAN_REDIS_URL", "redis://there")
    given = GivenSettings({"encoder": {"batch": 3}})
    assert given.tree == {
        "watch": {"give_up_s": 2, "loop": True},
        "encoder": {"batch": 3},
        "redis": {"url": "redis://there"},
    }
    assert given.was_set("watch.give_up_s") and given.was_set("watch") and not given.was_set("watch.overlap")


def test_entry_of_a_source_counts_alone() -> None:
    given = GivenSettings({"sources": [{"source_id": "a", "watch": {"give_up_s": 0}}, {"source_id": "b"}]})
    assert given.source_was_set("a", "watch.give_up_s")
    assert not given.source_was_set("b", "watch.give_up_s") and not given.was_set("watch.give_up_s")


def test_unreadable_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORNERMAN_WATCH", "{")
    with pytest.raises(ConfigError, match="watch"):
        GivenSettings()
