"""Source specs: sources of the command line, or of the settings."""

import pytest

from cornerman.local.pipeline import GIVE_UP_S, with_give_up
from cornerman.local.source_specs import source_spec, source_specs
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import load_settings


def test_settings_supply_missing_sources() -> None:
    settings = load_settings({"sources": [{"source_id": "a", "url": "test://bars"}]})
    assert [spec.source_id for spec in source_specs([], settings)] == ["a"]
    with pytest.raises(ConfigError, match="no source: give a video file"):
        source_specs([], load_settings())


def test_same_url_gets_another_id() -> None:
    specs = source_specs(["test://bars", "test://bars"], load_settings())
    assert [spec.source_id for spec in specs] == ["bars", "bars-2"]


def test_set_patience_is_kept() -> None:
    settings = load_settings()
    assert with_give_up(source_spec("a", "test://bars", settings)).watch.give_up_s == GIVE_UP_S
    patient = load_settings({"watch": {"give_up_s": 2.0}})
    assert with_give_up(source_spec("a", "test://bars", patient)).watch.give_up_s == 2.0
