"""Dotted settings, nested settings and environment variables are equivalent."""

import pytest

from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.overrides import merge, nest, parse_set, to_environment
from cornerman_shared.settings.tree import load_settings


def test_dotted_names_are_nested() -> None:
    assert nest([("encoder.batch", 2), ("encoder.device", "cpu"), ("log.level", "debug")]) == {
        "encoder": {"batch": 2, "device": "cpu"},
        "log": {"level": "debug"},
    }


def test_value_and_section_conflict_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoder"):
        nest([("encoder", 1), ("encoder.batch", 2)])


def test_values_are_read_as_yaml() -> None:
    assert parse_set(["a.b=2", "a.c=true", "a.d=x=y", "a.e=", "a.f=[1, 2]"]) == [
        ("a.b", 2),
        ("a.c", True),
        ("a.d", "x=y"),
        ("a.e", ""),
        ("a.f", [1, 2]),
    ]


@pytest.mark.parametrize("item", ["encoder.batch", "=2", "a.b=[1"])
def test_unreadable_item_is_named(item: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        parse_set([item])


def test_later_trees_win_field_by_field() -> None:
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"d": 4}) == {"a": {"b": 1, "c": 3}, "d": 4}


def test_environment_carries_settings_to_child(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = {
        "redis": {"url": "unix:///x.sock"},
        "encoder": {"batch": 2, "fake_delay_ms": 2.5},
        "generator": {"adapters": {"a": "/x"}},
        "gateway": {"open_browser": True, "schemes": ["test"], "token": "12345"},
        "say": {"prompt": "What's wrong? “Nothing”"},
    }
    wanted = load_settings(flags)
    for name, value in to_environment(flags).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == wanted
