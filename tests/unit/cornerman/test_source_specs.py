"""Source specs: sources of the command line, or of the settings."""

import sys
from pathlib import Path

import pytest

from cornerman.local.options import CommandSettings
from cornerman.local.retry_limit import GIVE_UP_S, limit_retries, with_give_up
from cornerman.local.source_args import camera_fault
from cornerman.local.source_specs import source_spec, source_specs
from cornerman_shared.errors import ConfigError, SourceError
from cornerman_shared.settings.tree import load_settings


def test_settings_supply_missing_sources() -> None:
    settings = load_settings({"sources": [{"source_id": "a", "url": "test://pattern"}]})
    assert [spec.source_id for spec in source_specs([], settings)] == ["a"]
    with pytest.raises(ConfigError, match="no source: give a video file"):
        source_specs([], load_settings())


def test_same_url_gets_another_id() -> None:
    specs = source_specs(["test://pattern", "test://pattern"], load_settings())
    assert [spec.source_id for spec in specs] == ["pattern", "pattern-2"]


def test_unreadable_file_costs_only_itself(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("a film of words")
    assert len(source_specs([str(text), "test://pattern"], load_settings())) == 2
    with pytest.raises(SourceError, match=r"notes\.mp4: "):
        source_specs([str(text)], load_settings())


def test_followed_file_may_be_empty(tmp_path: Path) -> None:
    empty = tmp_path / "live.ts"
    empty.touch()
    assert source_specs([str(empty)], load_settings({"watch": {"follow": True}}))
    with pytest.raises(SourceError, match="the file is empty"):
        source_specs([str(empty)], load_settings())


def test_missing_camera_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every service was started for it, and it was told twice, after fifteen seconds."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("device:63", "/dev/video63"):
        with pytest.raises(SourceError, match=f"{name}: this machine has no such camera"):
            source_specs([name], load_settings())
    elsewhere = load_settings({"redis": {"url": "redis://127.0.0.1:1"}})
    assert len(source_specs(["device:63"], elsewhere)) == 1
    assert len(source_specs(["device:63", "test://pattern"], load_settings())) == 2
    for number in (2, 10):
        (tmp_path / f"video{number}").touch()
    assert camera_fault("device:2", tmp_path) == ""
    assert camera_fault("device:3", tmp_path).endswith(f"it has {tmp_path / 'video2'}, {tmp_path / 'video10'}")


def test_set_patience_is_kept() -> None:
    settings = load_settings()
    assert with_give_up(source_spec("a", "test://pattern", settings)).watch.give_up_s == GIVE_UP_S
    patient = load_settings({"watch": {"give_up_s": 2.0}})
    assert with_give_up(source_spec("a", "test://pattern", patient)).watch.give_up_s == 2.0


@pytest.mark.parametrize(
    ("watch", "expected_s"), [({"sample_fps": 4.0}, GIVE_UP_S), ({"give_up_s": 0.0}, 0.0), ({"give_up_s": 3.0}, 3.0)]
)
def test_only_its_setting_changes_patience(watch: dict[str, float], expected_s: float) -> None:
    """Any other `watch` setting used to switch the limit off, so `poll` and `comment` never gave up."""
    chosen = CommandSettings(load_settings({"watch": watch}), {"watch": watch})
    (spec,) = limit_retries(source_specs(["test://pattern"], chosen.settings), chosen.given())
    assert spec.watch.give_up_s == expected_s
