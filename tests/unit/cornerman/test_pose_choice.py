"""The coach on skeletons as a choice: its settings, those that stay, and plain words when something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cornerman.local.options import command_settings, with_models
from cornerman_common import pose_choice
from cornerman_common.pose_choice import FOLDER, GATE, pose_missing
from cornerman_pose.weights import CACHE_ENV
from cornerman_shared.errors import ConfigError


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteRT and the weights are there."""
    monkeypatch.setattr(pose_choice, "litert", lambda: None)
    monkeypatch.setattr(pose_choice.weights, "find", lambda: None)


def test_encoder_brings_words_and_strategy(ready: None) -> None:
    chosen = with_models(command_settings(encoder__backend="pose"), pytest.fail).settings
    assert (chosen.generator.backend, Path(chosen.generator.model).name) == ("mobile_videogpt", FOLDER)
    assert chosen.speak.strategy == "skeleton"
    assert {name: getattr(chosen.speak, name) for name in GATE} == GATE


def test_own_generator_keeps_its_model(ready: None) -> None:
    own = command_settings(encoder__backend="pose", generator__backend="openai", generator__model="large")
    chosen = with_models(own, pytest.fail).settings
    assert (chosen.generator.backend, chosen.generator.model, chosen.speak.strategy) == ("openai", "large", "skeleton")


def test_own_strategy_keeps_its_gate(ready: None) -> None:
    own = command_settings(encoder__backend="pose", speak__strategy="llm")
    chosen = with_models(own, pytest.fail).settings
    assert (chosen.speak.strategy, chosen.speak.confidence_threshold) == ("llm", 0.75)
    assert chosen.speak.context_chunks == GATE["context_chunks"]


def test_settings_win_over_the_gate(ready: None) -> None:
    own = command_settings(encoder__backend="pose", speak__strategy="skeleton", speak__min_interval_s=7.0)
    chosen = with_models(own, pytest.fail).settings
    assert (chosen.speak.min_interval_s, chosen.speak.confidence_threshold) == (7.0, GATE["confidence_threshold"])


def test_missing_weights_are_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_choice, "litert", lambda: None)
    monkeypatch.setenv(CACHE_ENV, str(tmp_path))
    with pytest.raises(ConfigError, match=r"encoder.backend = pose: .* run: cornerman models get pose"):
        with_models(command_settings(encoder__backend="pose"), pytest.fail)


@pytest.mark.parametrize(
    ("torch", "bundled", "why"), [(False, True, "torch is not"), (True, False, "no words"), (True, True, "")]
)
def test_each_missing_part_is_named(ready: None, tmp_path: Path, torch: bool, bundled: bool, why: str) -> None:
    if bundled:
        (tmp_path / FOLDER).mkdir()
        (tmp_path / FOLDER / "config.json").write_text("{}")
    assert pose_missing(tmp_path, torch).startswith(why)
    assert bool(pose_missing(tmp_path, torch)) == bool(why)
