"""Model choice: bundled models where unset is set, and notes about fake back ends."""

import json
from pathlib import Path

import pytest

from cornerman.local.model_choice import PATTERN, choose_models, demo_clip, gate_of
from cornerman.local.options import command_settings, with_models
from cornerman_shared.settings.tree import load_settings


def unset(_: str) -> bool:
    return False


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    (tmp_path / "demo.mp4").write_text("")
    (tmp_path / "coach" / "head").mkdir(parents=True)
    (tmp_path / "coach" / "config.json").write_text("{}")
    return tmp_path


def test_bundled_coach_is_chosen(assets: Path) -> None:
    models = choose_models(unset, assets, torch=True)
    settings = load_settings(models.settings)
    assert (settings.encoder.backend, settings.generator.backend) == ("mobile_videogpt", "mobile_videogpt")
    assert (settings.encoder.model, settings.speak.strategy, settings.speak.head) == ("", "head", "")
    assert models.notes == ()
    assert demo_clip(assets) == (str(assets / "demo.mp4"), "")


def write_head(folder: Path, **settings: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.json").write_text(json.dumps({"hidden": 64, **settings}))
    return folder


def test_gate_comes_from_the_head(assets: Path) -> None:
    write_head(assets / "coach" / "head", threshold=0.6, min_interval_s=1.5, repeat_window_s=2.5)
    speak = load_settings(choose_models(unset, assets, torch=True).settings).speak
    assert (speak.confidence_threshold, speak.min_interval_s, speak.repeat_window_s) == (0.6, 1.5, 2.5)
    chosen = choose_models(lambda name: name == "speak.min_interval_s", assets, torch=True).settings["speak"]
    assert chosen == {"strategy": "head", "confidence_threshold": 0.6, "repeat_window_s": 2.5}


def test_missing_gate_value_changes_nothing(tmp_path: Path) -> None:
    assert gate_of(write_head(tmp_path, min_interval_s=1.5), unset) == {"min_interval_s": 1.5}
    (tmp_path / "head.json").write_text("{")
    assert gate_of(tmp_path, unset) == {}
    assert gate_of(tmp_path / "nowhere", unset) == {}


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_set_values_override_the_head(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    head = write_head(tmp_path / "mine", min_interval_s=1.5, repeat_window_s=2.5)
    notes: list[str] = []
    plain = with_models(
        command_settings(speak__strategy="head", speak__head=str(head), encoder__backend="fake"), notes.append
    )
    assert (plain.settings.speak.min_interval_s, plain.settings.speak.repeat_window_s) == (1.5, 2.5)
    if how == "variable":
        monkeypatch.setenv("CORNERMAN_SPEAK__MIN_INTERVAL_S", "4")
    if how == "file":
        (tmp_path / "cornerman.yaml").write_text("speak:\n  min_interval_s: 4\n")
    flag = 4.0 if how == "flag" else None
    chosen = command_settings(
        speak__strategy="head", speak__head=str(head), encoder__backend="fake", speak__min_interval_s=flag
    )
    speak = with_models(chosen, notes.append).settings.speak
    assert (speak.min_interval_s, speak.repeat_window_s) == (4.0, 2.5)


def threads(**chosen: object) -> tuple[int, int]:
    settings = with_models(command_settings(**chosen), lambda _: None).settings
    return settings.encoder.threads, settings.generator.threads


def test_bundled_model_gets_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = {"encoder__backend": "mobile_videogpt", "generator__backend": "mobile_videogpt"}
    assert threads(**small) == (1, 1)
    assert threads(**small, encoder__threads=2) == (2, 1)
    assert threads(**small, encoder__model="large", generator__model="large") == (0, 0)
    assert threads(encoder__backend="fake", generator__backend="echo") == (0, 0)
    monkeypatch.setenv("CORNERMAN_GENERATOR__THREADS", "3")
    assert threads(**small) == (1, 3)


@pytest.mark.parametrize(
    ("strategy", "min_interval_s", "context_chunks"), [("head", 1.5, 5), ("llm", 1.5, 5), ("rules", 3.0, 5)]
)
def test_context_comes_from_the_head(
    strategy: str, min_interval_s: float, context_chunks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = write_head(tmp_path / "coach" / "head", min_interval_s=1.5, context_chunks=5, threshold=0.6)
    own = {"encoder__backend": "mobile_videogpt", "generator__backend": "mobile_videogpt"}
    chosen = command_settings(
        **own, generator__model=str(tmp_path / "coach"), speak__strategy=strategy, speak__head=str(head)
    )
    speak = with_models(chosen, lambda _: None).settings.speak
    assert (speak.min_interval_s, speak.context_chunks) == (min_interval_s, context_chunks)
    assert speak.confidence_threshold == (0.6 if strategy == "head" else 0.75)


def test_model_without_head_keeps_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = {"encoder__backend": "mobile_videogpt", "generator__backend": "mobile_videogpt"}
    chosen = command_settings(**own, generator__model="large", speak__strategy="llm")
    assert with_models(chosen, lambda _: None).settings.speak == chosen.settings.speak


def test_missing_torch_is_noted(assets: Path) -> None:
    models = choose_models(unset, assets, torch=False)
    settings = load_settings(models.settings)
    assert (settings.encoder.backend, settings.generator.backend) == ("fake", "echo")
    (note,) = models.notes
    assert "NO MODEL" in note
    assert "cornerman[model]" in note
    assert "mean nothing" in note


def test_missing_model_is_noted(tmp_path: Path) -> None:
    assert "no model is bundled" in choose_models(unset, tmp_path, torch=True).notes[0]


def test_missing_clip_becomes_a_pattern(tmp_path: Path) -> None:
    source, note = demo_clip(tmp_path)
    assert source == PATTERN
    assert "test pattern" in note


def test_missing_head_means_rules(assets: Path) -> None:
    (assets / "coach" / "head").rmdir()
    models = choose_models(unset, assets, torch=True)
    assert load_settings(models.settings).speak.strategy == "rules"
    assert "rules decide" in models.notes[0]


def test_set_back_end_is_kept(assets: Path) -> None:
    assert choose_models(lambda name: name == "generator.backend", assets, torch=True).settings == {}
    strategy = choose_models(lambda name: name == "speak.strategy", assets, torch=True)
    assert "speak" not in strategy.settings
    assert strategy.notes == ()


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_was_set_sees_every_origin(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not command_settings().was_set("encoder.backend")
    if how == "variable":
        monkeypatch.setenv("CORNERMAN_ENCODER__BACKEND", "fake")
    if how == "file":
        (tmp_path / "cornerman.yaml").write_text("encoder:\n  backend: fake\n")
    chosen = command_settings(encoder__backend="fake" if how == "flag" else None)
    assert chosen.was_set("encoder.backend")
    assert not chosen.was_set("generator.backend")
    notes: list[str] = []
    assert with_models(chosen, notes.append).overrides == chosen.overrides
    assert notes == []
