"""Where nobody chose, the best that is there plays, and people are told what it is not."""

import json
from pathlib import Path

import pytest

from cornerman.local.model_choice import PATTERN, choose_models, clip, gate_of
from cornerman.local.options import choose, with_models
from cornerman_shared.settings.tree import load_settings


def nothing(_: str) -> bool:
    return False


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    (tmp_path / "demo.mp4").write_text("")
    (tmp_path / "coach" / "head").mkdir(parents=True)
    (tmp_path / "coach" / "config.json").write_text("{}")
    return tmp_path


def test_with_everything_there_the_coach_coaches(assets: Path) -> None:
    players = choose_models(nothing, assets, torch=True)
    settings = load_settings(players.settings)
    assert (settings.encoder.backend, settings.generator.backend) == ("mobile_videogpt", "mobile_videogpt")
    assert (settings.encoder.model, settings.speak.strategy, settings.speak.head) == ("", "head", "")
    assert players.notes == ()
    assert clip(assets) == (str(assets / "demo.mp4"), "")


def write_head(folder: Path, **settings: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.json").write_text(json.dumps({"hidden": 64, **settings}))
    return folder


def test_the_gate_is_the_one_that_the_head_was_calibrated_with(assets: Path) -> None:
    write_head(assets / "coach" / "head", threshold=0.6, min_interval_s=1.5, repeat_window_s=2.5)
    speak = load_settings(choose_models(nothing, assets, torch=True).settings).speak
    assert (speak.confidence_threshold, speak.min_interval_s, speak.repeat_window_s) == (0.6, 1.5, 2.5)
    chosen = choose_models(lambda name: name == "speak.min_interval_s", assets, torch=True).settings["speak"]
    assert chosen == {"strategy": "head", "confidence_threshold": 0.6, "repeat_window_s": 2.5}


def test_a_head_that_names_no_repeat_window_leaves_the_setting_alone(tmp_path: Path) -> None:
    assert gate_of(write_head(tmp_path, min_interval_s=1.5), nothing) == {"min_interval_s": 1.5}
    (tmp_path / "head.json").write_text("{")
    assert gate_of(tmp_path, nothing) == {}
    assert gate_of(tmp_path / "nowhere", nothing) == {}


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_a_head_of_one_s_own_brings_its_gate_and_yields_to_what_was_chosen(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = write_head(tmp_path / "mine", min_interval_s=1.5, repeat_window_s=2.5)
    told: list[str] = []
    plain = with_models(choose(speak__strategy="head", speak__head=str(head), encoder__backend="fake"), told.append)
    assert (plain.settings.speak.min_interval_s, plain.settings.speak.repeat_window_s) == (1.5, 2.5)
    if how == "variable":
        monkeypatch.setenv("CORNERMAN_SPEAK__MIN_INTERVAL_S", "4")
    if how == "file":
        (tmp_path / "cornerman.yaml").write_text("speak:\n  min_interval_s: 4\n")
    flag = 4.0 if how == "flag" else None
    chosen = choose(speak__strategy="head", speak__head=str(head), encoder__backend="fake", speak__min_interval_s=flag)
    speak = with_models(chosen, told.append).settings.speak
    assert (speak.min_interval_s, speak.repeat_window_s) == (4.0, 2.5)


def threads(**chosen: object) -> tuple[int, int]:
    settings = with_models(choose(**chosen), lambda _: None).settings
    return settings.encoder.threads, settings.generator.threads


def test_the_small_model_gets_one_thread_a_process_unless_somebody_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_whoever_decides_the_words_are_about_as_many_chunks_as_the_coach_learnt(
    strategy: str, min_interval_s: float, context_chunks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = write_head(tmp_path / "coach" / "head", min_interval_s=1.5, context_chunks=5, threshold=0.6)
    own = {"encoder__backend": "mobile_videogpt", "generator__backend": "mobile_videogpt"}
    chosen = choose(**own, generator__model=str(tmp_path / "coach"), speak__strategy=strategy, speak__head=str(head))
    speak = with_models(chosen, lambda _: None).settings.speak
    assert (speak.min_interval_s, speak.context_chunks) == (min_interval_s, context_chunks)
    assert speak.confidence_threshold == (0.6 if strategy == "head" else 0.75)


def test_a_model_that_came_without_a_head_keeps_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = {"encoder__backend": "mobile_videogpt", "generator__backend": "mobile_videogpt"}
    chosen = choose(**own, generator__model="large", speak__strategy="llm")
    assert with_models(chosen, lambda _: None).settings.speak == chosen.settings.speak


def test_without_torch_it_says_that_the_words_mean_nothing(assets: Path) -> None:
    players = choose_models(nothing, assets, torch=False)
    settings = load_settings(players.settings)
    assert (settings.encoder.backend, settings.generator.backend) == ("fake", "echo")
    (note,) = players.notes
    assert "NO MODEL" in note
    assert "cornerman[model]" in note
    assert "They mean nothing" in note


def test_without_a_model_it_says_the_same(tmp_path: Path) -> None:
    assert "no model is bundled" in choose_models(nothing, tmp_path, torch=True).notes[0]


def test_without_a_clip_a_pattern_is_watched_and_said_so(tmp_path: Path) -> None:
    source, note = clip(tmp_path)
    assert source == PATTERN
    assert "test pattern" in note


def test_without_a_head_rules_decide_and_it_is_said(assets: Path) -> None:
    (assets / "coach" / "head").rmdir()
    players = choose_models(nothing, assets, torch=True)
    assert load_settings(players.settings).speak.strategy == "rules"
    assert "rules decide" in players.notes[0]


def test_who_has_chosen_is_left_alone(assets: Path) -> None:
    assert choose_models(lambda name: name == "generator.backend", assets, torch=True).settings == {}
    strategy = choose_models(lambda name: name == "speak.strategy", assets, torch=True)
    assert "speak" not in strategy.settings
    assert strategy.notes == ()


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_choosing_counts_however_it_is_done(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not choose().was_set("encoder.backend")
    if how == "variable":
        monkeypatch.setenv("CORNERMAN_ENCODER__BACKEND", "fake")
    if how == "file":
        (tmp_path / "cornerman.yaml").write_text("encoder:\n  backend: fake\n")
    chosen = choose(encoder__backend="fake" if how == "flag" else None)
    assert chosen.was_set("encoder.backend")
    assert not chosen.was_set("generator.backend")
    told: list[str] = []
    assert with_models(chosen, told.append).overrides == chosen.overrides
    assert told == []
