"""The coach on skeletons as a choice: its settings, those that stay, and plain words when something is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cornerman_common import pose_choice
from cornerman_common.bundle import bundled
from cornerman_common.model_checks import PROJECTOR
from cornerman_common.model_choice import resolve_models
from cornerman_common.model_parts import ModelChoice
from cornerman_common.pose_choice import FOLDER, SKELETON_GATE, pose_missing, shows_people
from cornerman_pose import nets, weights
from cornerman_pose.movements import form_rules
from cornerman_pose.weights import CACHE_ENV
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.overrides import nest
from cornerman_shared.settings.source import SourceSpec
from cornerman_shared.settings.tree import load_settings

OPENAI = {"generator.backend": "openai", "generator.base_url": "http://127.0.0.1:1/v1", "generator.model": "large"}


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundled words; LiteRT and the weights are there, and no settings file is."""
    monkeypatch.setattr(nets, "litert", lambda: None)
    monkeypatch.setattr(weights, "find", lambda: None)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "config.json").write_text("{}")
    (tmp_path / FOLDER / PROJECTOR).write_bytes(b"")
    (tmp_path / "coach").mkdir()
    (tmp_path / "coach" / "config.json").write_text("{}")
    (tmp_path / "coach" / "head").mkdir()
    (tmp_path / "coach" / "head" / "head.json").write_text("{}")
    monkeypatch.chdir(tmp_path / FOLDER)
    return tmp_path


def chosen(assets: Path, flags: dict[str, Any] | None = None) -> ModelChoice:
    return resolve_models(nest({"encoder.backend": "pose", **(flags or {})}.items()), assets=assets, torch=True)


def test_encoder_brings_words_and_strategy(assets: Path) -> None:
    choice = chosen(assets)
    halves = choice.settings.encoder.model, choice.settings.generator.model
    assert (choice.generator.backend, choice.decider.backend) == ("mobile_videogpt", "skeleton")
    assert halves == (str(assets / FOLDER),) * 2
    assert choice.gate == SKELETON_GATE


@pytest.mark.parametrize(("cores", "flags", "threads"), [(1, {}, 1), (2, {}, 2), (64, {}, 4), (2, {"threads": 3}, 3)])
def test_encoder_uses_the_cores(
    cores: int, flags: dict[str, int], threads: int, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pose_choice, "usable_cores", lambda: cores)
    choice = chosen(assets, {f"encoder.{name}": value for name, value in flags.items()})
    assert choice.settings.encoder.threads == threads


def unset(assets: Path, flags: dict[str, Any] | None = None, **how: Any) -> ModelChoice:
    return resolve_models(nest((flags or {}).items()), assets=assets, **{"torch": True, "people": True, **how})


def spec(url: str, **more: Any) -> SourceSpec:
    return SourceSpec.model_validate({"source_id": "a", "url": url, **more})


def test_people_get_skeletons_by_default(assets: Path) -> None:
    choice = unset(assets)
    assert (choice.encoder.backend, choice.decider.backend) == ("pose", "skeleton")
    assert choice.coach.startswith("The coach on skeletons watches, because people may be in view")
    assert choice.notes == ()
    children = load_settings(choice.overrides)
    assert (children.encoder.backend, children.speak.strategy) == ("pose", "skeleton")


def test_drawings_get_pictures_by_default(assets: Path) -> None:
    choice = unset(assets, people=False)
    assert (choice.encoder.backend, choice.notes) == ("mobile_videogpt", ())
    assert choice.coach.startswith("The coach on pictures watches, because what is watched is drawn")
    silent = unset(assets, people=None)
    assert (silent.encoder.backend, silent.coach) == ("mobile_videogpt", "")


def test_pictures_stand_in_without_weights(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(nets, "litert", lambda: None)
    monkeypatch.setenv(CACHE_ENV, str(assets / "empty"))
    choice = unset(assets)
    assert (choice.encoder.backend, choice.coach) == ("mobile_videogpt", "")
    assert choice.notes[0].startswith("The coach on pictures watches, which knows drawn figures only: ")
    assert choice.notes[0].endswith("run: cornerman models get pose")


@pytest.mark.parametrize(
    "flags",
    [
        {"encoder.backend": "mobile_videogpt"},
        {"encoder.framing": "whole"},
        {"speak.strategy": "interval"},
        {"watch.look": "poll", "speak.strategy": "interval"},
        {"generator.backend": "vllm", "generator.base_url": "http://127.0.0.1:1/v1"},
        {"sources": [{"source_id": "b", "url": "device:0", "speak": {"strategy": "rules"}}]},
        {"sources": [{"source_id": "b", "url": "device:0", "mode": "polling", "speak": {"strategy": "interval"}}]},
    ],
    ids=["pictures", "framing", "strategy", "looks", "server", "strategy of a source", "mode of a source"],
)
def test_what_is_set_keeps_pictures(flags: dict[str, Any], assets: Path) -> None:
    choice = unset(assets, flags)
    assert (choice.encoder.backend, choice.coach, choice.notes) == ("mobile_videogpt", "", ())


@pytest.mark.parametrize(
    ("urls", "people"),
    [
        ([], True),
        (["device:0"], True),
        (["rtsp://cam/stream"], True),
        (["/home/me/squat.mp4"], True),
        (["test://bars"], False),
        ([str(bundled("demo.mp4")), "test://pattern"], False),
        (["test://bars", "device:0"], True),
    ],
)
def test_kind_of_source_tells_people(urls: list[str], people: bool) -> None:
    assert shows_people([spec(url) for url in urls]) is people


@pytest.mark.parametrize("more", [OPENAI, {"generator.backend": "vlm", "generator.model": "some/vlm"}])
def test_skeletons_decide_before_a_vlm(more: dict[str, Any], assets: Path) -> None:
    """`run device:0 --generator openai` left a head that knows drawings only to decide about people."""
    choice = unset(assets, more)
    assert (choice.encoder.backend, choice.decider.backend) == ("pose", "skeleton")
    assert choice.settings.generator.model == more["generator.model"]


def test_other_modes_do_not_ask(assets: Path) -> None:
    assert shows_people([spec("device:0"), spec("device:1", mode="polling")]) is None


def test_own_generator_keeps_its_model(assets: Path) -> None:
    choice = chosen(assets, OPENAI)
    assert (choice.generator.backend, choice.settings.generator.model) == ("openai", "large")
    assert (choice.decider.backend, choice.settings.encoder.model) == ("skeleton", str(assets / FOLDER))


def test_own_model_is_that_of_both_halves(assets: Path) -> None:
    own = assets / "own"
    own.mkdir()
    (own / PROJECTOR).write_bytes(b"")
    choice = chosen(assets, {"generator.model": str(own), "generator.backend": "mobile_videogpt"})
    assert choice.settings.encoder.model == choice.settings.generator.model == str(own)


def test_own_strategy_keeps_its_gate(assets: Path) -> None:
    choice = chosen(assets, {"speak.strategy": "llm"})
    assert (choice.decider.backend, choice.gate["confidence_threshold"]) == ("llm", 0.75)
    assert choice.gate["context_chunks"] == SKELETON_GATE["context_chunks"]


def test_settings_win_over_the_gate(assets: Path) -> None:
    gate = chosen(assets, {"speak.strategy": "skeleton", "speak.min_interval_s": 7.0}).gate
    assert gate == {**SKELETON_GATE, "min_interval_s": 7.0}


def test_without_words_decisions_remain(assets: Path) -> None:
    (assets / FOLDER / "config.json").unlink()
    choice = chosen(assets)
    assert (choice.encoder.backend, choice.decider.backend, choice.generator.backend) == ("pose", "skeleton", "echo")
    assert choice.notes[0].startswith("NO WORDS (no language half at ")


def test_head_cannot_read_landmarks(assets: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the features of encoder\.backend = 'pose'"):
        chosen(assets, {"speak.strategy": "head"})


def test_skeletons_need_landmarks(assets: Path) -> None:
    with pytest.raises(ConfigError, match=r"reads landmarks of people, .*'fake'; give encoder\.backend=pose"):
        chosen(assets, {"encoder.backend": "fake", "speak.strategy": "skeleton", "generator.backend": "echo"})


def test_missing_weights_are_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "litert", lambda: None)
    monkeypatch.setenv(CACHE_ENV, str(tmp_path))
    with pytest.raises(ConfigError, match=r"encoder\.backend = pose: .* run: cornerman models get pose"):
        chosen(tmp_path)


@pytest.mark.parametrize(
    ("torch", "bundled", "why"), [(False, True, "torch"), (True, False, "words"), (True, True, "")]
)
def test_each_missing_part_is_named(assets: Path, torch: bool, bundled: bool, why: str) -> None:
    said = pose_missing(assets if bundled else assets / "empty", torch)
    assert why in said and bool(said) == bool(why)


def test_gate_bars_no_named_mistake() -> None:
    """A mistake that the table names at a low probability is said as well."""
    assert SKELETON_GATE["confidence_threshold"] < min(rule.decide for rule in form_rules())
