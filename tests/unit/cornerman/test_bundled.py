"""The demo is the best that is there, and says what it is not."""

from pathlib import Path

from cornerman.bundled import PATTERN, cast
from shared.config import load_settings


def test_with_everything_there_the_coach_coaches(tmp_path: Path) -> None:
    (tmp_path / "demo.mp4").write_text("")
    (tmp_path / "coach" / "head").mkdir(parents=True)
    shown = cast(tmp_path, torch=True)
    settings = load_settings(shown.settings)
    assert shown.source == str(tmp_path / "demo.mp4")
    assert (settings.encoder.backend, settings.generator.backend) == ("mobile_videogpt", "mobile_videogpt")
    assert (settings.speak.strategy, settings.speak.head) == ("head", "")
    assert shown.notes == ()


def test_without_torch_it_says_that_the_words_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "demo.mp4").write_text("")
    (tmp_path / "coach").mkdir()
    shown = cast(tmp_path, torch=False)
    settings = load_settings(shown.settings)
    assert (settings.encoder.backend, settings.generator.backend) == ("fake", "echo")
    assert any("They mean nothing" in note and "cornerman[model]" in note for note in shown.notes)
    assert "NO MODEL" in shown.title


def test_without_a_clip_a_pattern_is_watched_and_said_so(tmp_path: Path) -> None:
    shown = cast(tmp_path, torch=True)
    assert shown.source == PATTERN
    assert any("test pattern" in note for note in shown.notes)


def test_without_a_head_rules_decide_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "coach").mkdir()
    shown = cast(tmp_path, torch=True)
    assert load_settings(shown.settings).speak.strategy == "rules"
    assert any("rules decide" in note for note in shown.notes)
