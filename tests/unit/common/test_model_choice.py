"""Model choice: what is set stays, the rest is the bundled coach; wrong combinations are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cornerman.local.options import command_settings, with_models
from cornerman_common.model_choice import described_models, resolve_models
from cornerman_common.model_parts import ModelChoice
from cornerman_common.running_models import check_adapter_runs
from cornerman_pose import nets, weights
from cornerman_shared.bus.messages import WorkerStatus
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.overrides import nest
from cornerman_shared.settings.tree import load_settings

OPENAI = {"generator.backend": "openai", "generator.base_url": "http://127.0.0.1:1/v1", "generator.model": "qwen"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of this checkout is read, and landmarks can be estimated."""
    monkeypatch.setattr(nets, "litert", lambda: None)
    monkeypatch.setattr(weights, "find", lambda: None)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """Assets with a coach of small widths and a head for it."""
    folder = tmp_path / "assets"
    write_model(folder / "coach")
    write_head(folder / "coach" / "head", threshold=0.6, min_interval_s=1.5, repeat_window_s=2.5, context_chunks=5)
    return folder


def write_model(folder: Path, video: int = 8, image: int = 16) -> Path:
    folder.mkdir(parents=True)
    towers = {"video": {"width": video}, "image": {"width": image}}
    (folder / "config.json").write_text(json.dumps({"mobile_videogpt": towers}))
    return folder


def write_head(folder: Path, cls_width: int = 8, row_width: int = 24, **gate: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.json").write_text(json.dumps({"cls_width": cls_width, "row_width": row_width, **gate}))
    return folder


def chosen(assets: Path, flags: dict[str, Any] | None = None, **how: Any) -> ModelChoice:
    return resolve_models(nest((flags or {}).items()), assets=assets, **{"torch": True, **how})


def parts(choice: ModelChoice) -> tuple[str, str, str]:
    return choice.encoder.backend, choice.decider.backend, choice.generator.backend


def test_bundled_coach_is_the_default(assets: Path) -> None:
    choice = chosen(assets)
    assert parts(choice) == ("mobile_videogpt", "head", "mobile_videogpt")
    assert choice.gate == {
        "confidence_threshold": 0.6,
        "min_interval_s": 1.5,
        "repeat_window_s": 2.5,
        "context_chunks": 5,
    }
    assert (choice.settings.encoder.threads, choice.settings.generator.threads, choice.notes) == (1, 1, ())
    assert load_settings(choice.overrides).speak == choice.settings.speak


@pytest.mark.parametrize(
    "flags",
    [
        OPENAI,
        {"generator.backend": "vlm", "generator.model": "some/vlm"},
        {"generator.backend": "vllm", "generator.base_url": "http://127.0.0.1:1/v1"},
    ],
    ids=["openai", "vlm", "vllm"],
)
def test_head_decides_before_a_vlm(flags: dict[str, str], assets: Path) -> None:
    """`--generator openai` used to take the fake encoder, and rules in place of the head."""
    choice = chosen(assets, flags)
    assert parts(choice) == ("mobile_videogpt", "head", flags["generator.backend"])
    assert choice.gate == chosen(assets).gate
    assert choice.encoder.model == "the bundled coach"


def test_set_values_are_kept(assets: Path) -> None:
    flags = {"speak.strategy": "interval", "speak.min_interval_s": 4.0, "encoder.threads": 3}
    choice = chosen(assets, flags)
    assert (choice.decider.backend, choice.gate["min_interval_s"], choice.settings.encoder.threads) == (
        "interval",
        4.0,
        3,
    )
    assert choice.gate["context_chunks"] == 5, "the text was trained with it, whoever decides"
    assert choice.gate["confidence_threshold"] == 0.75, "it belongs to the head alone"
    assert chosen(assets, {"speak.confidence_threshold": 0.9}).gate["confidence_threshold"] == 0.9


def test_fakes_without_torch_are_noted(assets: Path) -> None:
    choice = chosen(assets, torch=False)
    assert parts(choice) == ("fake", "rules", "echo")
    assert "NO MODEL (torch is not installed" in choice.notes[0]
    assert "mean nothing" in choice.notes[0]
    assert parts(chosen(assets, OPENAI, torch=False)) == ("fake", "rules", "openai")


def test_missing_files_are_noted(assets: Path, tmp_path: Path) -> None:
    assert "no model is bundled" in chosen(tmp_path / "nowhere").notes[0]
    (assets / "coach" / "head" / "head.json").unlink()
    (assets / "coach" / "head").rmdir()
    choice = chosen(assets)
    assert (choice.decider.backend, len(choice.notes)) == ("rules", 1)


def test_own_model_brings_its_head(assets: Path, tmp_path: Path) -> None:
    own = write_model(tmp_path / "own", video=4)
    assert chosen(assets, {"encoder.model": str(own)}).decider.backend == "rules"
    head = write_head(own / "head", cls_width=4, row_width=20, threshold=0.4)
    choice = chosen(assets, {"encoder.model": str(own)})
    assert (choice.settings.generator.model, choice.settings.speak.head) == (str(own), str(head))
    assert choice.gate["confidence_threshold"] == 0.4


def test_sources_inherit_the_choice(assets: Path) -> None:
    rows = [{"source_id": "a", "url": "test://bars", "watch": {"loop": True}, "speak": {"min_interval_s": 9.0}}]
    (spec,) = chosen(assets, {"sources": rows, "watch.sample_fps": 4.0}).settings.sources
    assert (spec.speak.strategy, spec.speak.confidence_threshold, spec.speak.min_interval_s) == ("head", 0.6, 9.0)
    assert (spec.watch.loop, spec.watch.sample_fps) == (True, 4.0)
    other = [{"source_id": "b", "url": "test://bars", "speak": {"strategy": "rules"}}]
    (spec,) = chosen(assets, {"sources": other, "speak.gap_s": 7.0}).settings.sources
    assert (spec.speak.confidence_threshold, spec.speak.min_interval_s, spec.speak.gap_s) == (0.75, 3.0, 7.0)


WRONG = {
    "fake tokens": ({"encoder.backend": "fake", "generator.backend": "mobile_videogpt"}, "reads the tokens"),
    "fake features": ({"encoder.backend": "fake", "speak.strategy": "head"}, "cannot read the features"),
    "no skeletons": ({"speak.strategy": "skeleton"}, "reads landmarks of people"),
    "head on skeletons": ({"encoder.backend": "pose", "speak.strategy": "head"}, "speak.strategy=skeleton"),
    "words of pictures": (
        {"encoder.backend": "pose", "generator.backend": "mobile_videogpt"},
        "reads no skeletons",
    ),
    "two models": ({"encoder.model": "a", "generator.model": "b"}, "halves of different models"),
    "head of another": (
        {"encoder.model": "Amshaker/Mobile-VideoGPT-0.5B", "speak.strategy": "head"},
        "trained with the bundled encoder",
    ),
    "adapter alone": ({"say.adapter": "EdgeVLM-Labs/mobile-videogpt-finetune-2000"}, "adapter without its base"),
    "adapter on vlm": (
        {"generator.backend": "vlm", "generator.model": "m", "say.adapter": "x"},
        "merge it into the model",
    ),
    "no address": ({"generator.backend": "openai", "generator.model": "m"}, "generator.base_url"),
    "no name": ({"generator.backend": "openai", "generator.base_url": "http://x/v1"}, "needs generator.model"),
    "no such encoder": ({"encoder.model": "/nope/model"}, r"encoder\.model = '/nope/model': there is no such"),
    "no such generator": (
        {"encoder.backend": "pose", "generator.backend": "vlm", "generator.model": "./nope"},
        r"generator\.model = './nope': there is no such",
    ),
    "no projector": ({"encoder.backend": "pose", "encoder.model": "."}, r"folder with projector\.safetensors"),
    "no such head": ({"speak.head": "/nope/head"}, r"speak\.head = '/nope/head': there is no head\.json"),
    "no such head of a source": (
        {"sources": [{"source_id": "a", "url": "test://bars", "speak": {"head": "."}}]},
        r"speak\.head = '\.': there is no head\.json",
    ),
    "no URL": ({**OPENAI, "generator.base_url": "127.0.0.1:1/v1"}, "is not an http"),
    "no host": ({**OPENAI, "generator.base_url": "http:///v1"}, "is not an http"),
    "no port": ({**OPENAI, "generator.base_url": "http://host:seven/v1"}, "is not an http"),
    "llm on a server": ({**OPENAI, "speak.strategy": "llm"}, "action tokens"),
}


@pytest.mark.parametrize(("flags", "message"), WRONG.values(), ids=WRONG)
def test_wrong_combination_is_refused(flags: dict[str, str], message: str, assets: Path) -> None:
    with pytest.raises(ConfigError, match=message) as failed:
        chosen(assets, flags)
    assert "give " in str(failed.value) or "merge" in str(failed.value) or "needs" in str(failed.value)


def test_places_of_others_are_not_checked(assets: Path) -> None:
    """Another machine loads the models."""
    flags = {"encoder.model": "/there/model", "speak.head": "/there/head", "speak.strategy": "head"}
    assert chosen(assets, flags, loads=()).settings.speak.head == "/there/head"


def test_skeletons_bring_their_strategy(assets: Path) -> None:
    choice = chosen(assets, {"encoder.backend": "pose"})
    assert (parts(choice), len(choice.notes)) == (("pose", "skeleton", "echo"), 1)
    assert parts(chosen(assets, {"encoder.backend": "pose", **OPENAI})) == ("pose", "skeleton", "openai")
    words = write_model(assets / "pose_coach")
    (words / "projector.safetensors").write_bytes(b"")
    choice = chosen(assets, {"encoder.backend": "pose"})
    assert (parts(choice)[2], choice.settings.generator.model) == ("mobile_videogpt", str(words))


def test_features_must_fit_the_head(assets: Path, tmp_path: Path) -> None:
    head = write_head(tmp_path / "head", cls_width=99)
    with pytest.raises(ConfigError, match=r"widths 99 and 24, but encoder\.model = '' makes 8 and 24"):
        chosen(assets, {"speak.head": str(head)})


def test_adapter_is_not_a_model(assets: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "Amshaker/Mobile-VideoGPT-0.5B"}')
    with pytest.raises(ConfigError, match=r"give generator\.model=Amshaker/Mobile-VideoGPT-0\.5B"):
        chosen(assets, {"say.adapter": str(adapter)})
    with pytest.raises(ConfigError, match=r"is an adapter, without its base; give encoder\.model=Amshaker"):
        chosen(assets, {"encoder.model": str(adapter)})


def test_torch_is_asked_where_models_load(assets: Path) -> None:
    flags = {"encoder.backend": "mobile_videogpt", "generator.backend": "mobile_videogpt"}
    with pytest.raises(ConfigError, match=r"pip install 'cornerman\[model\]'"):
        chosen(assets, flags, torch=False)
    assert parts(chosen(assets, flags, torch=False, loads=("decider",))) == (
        "mobile_videogpt",
        "head",
        "mobile_videogpt",
    )


@pytest.mark.parametrize("how", ["flag", "variable", "json variable", "file"])
def test_every_origin_counts_as_set(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "variable":
        monkeypatch.setenv("CORNERMAN_ENCODER__BACKEND", "fake")
    if how == "json variable":
        monkeypatch.setenv("CORNERMAN_ENCODER", '{"backend": "fake"}')
    if how == "file":
        Path("cornerman.yaml").write_text("encoder:\n  backend: fake\n")
    settings = command_settings(encoder__backend="fake" if how == "flag" else None)
    assert settings.was_set("encoder.backend") and not settings.was_set("generator.backend")
    notes: list[str] = []
    _, choice = with_models(settings, notes.append)
    assert (parts(choice), notes) == (("fake", "rules", "echo"), [])


def test_described_settings_choose_nothing() -> None:
    choice = described_models(load_settings({"speak": {"strategy": "scene"}}))
    assert parts(choice) == ("fake", "scene", "echo")
    assert choice.to_dict()["abilities"]["follows_prompts"] is True


def test_adapter_brings_its_framing(assets: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    adapter.mkdir()
    (adapter / "framing.json").write_text('{"framing": "person"}')
    with pytest.raises(ConfigError, match=r"was trained on frames with .*; give encoder\.framing=person"):
        chosen(assets, {"say.adapter": str(adapter)})
    choice = chosen(assets, {"say.adapter": str(adapter), "encoder.framing": "person"})
    assert choice.settings.encoder.framing == "person"


def test_typed_adapter_joins_the_list(assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora_ok").mkdir()
    choice = chosen(assets, {"say.adapter": "./lora_ok"})
    listed = {"./lora_ok": str(tmp_path / "lora_ok")}
    assert choice.settings.generator.adapters == choice.overrides["generator"]["adapters"] == listed
    elsewhere = chosen(assets, {"say.adapter": "./lora_ok"}, loads=())
    assert elsewhere.settings.generator.adapters == {}


def test_running_generator_has_the_adapter() -> None:
    worker = WorkerStatus("generator", "g", 1, "h", "running", 0.0, 0.0, 0, 0, models={"adapters": '["a"]'})
    check_adapter_runs("a", [worker])
    check_adapter_runs("b", [])
    with pytest.raises(ConfigError, match=r"say\.adapter = '\.\./x': the generator that runs has the adapters: a;"):
        check_adapter_runs("../x", [worker])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"watch.look": "stride", "watch.frames": 4, "speak.strategy": "scene"}, "reads 8 or 16 frames"),
        ({"watch.look": "poll", "watch.frames": 10, "speak.strategy": "interval"}, "give watch.frames=8 or 16"),
        ({"watch.look": "poll"}, "'head' judges chunks of 8 frames; give speak.strategy=interval"),
        ({"watch.look": "stride"}, "give speak.strategy=scene, or watch.look=chunk"),
        (
            {**OPENAI, "watch.look": "poll", "watch.frames": 64, "speak.strategy": "interval"},
            "generator.max_images = 32",
        ),
    ],
)
def test_unread_looks_are_refused(flags: dict[str, Any], said: str, assets: Path) -> None:
    """16 frames were sent as 8, and 4 or 10 as 8, without a word."""
    with pytest.raises(ConfigError, match=said):
        chosen(assets, flags)


@pytest.mark.parametrize(
    "flags",
    [
        {"watch.look": "poll", "speak.strategy": "interval"},
        {"watch.look": "stride", "watch.frames": 16, "watch.stride": 7, "speak.strategy": "scene"},
        {**OPENAI, "watch.look": "stride", "watch.frames": 10, "speak.strategy": "scene"},
        {**OPENAI, "watch.look": "poll", "watch.frames": 1, "speak.strategy": "interval"},
        {"generator.backend": "echo", "watch.look": "poll", "watch.frames": 3, "speak.strategy": "interval"},
    ],
)
def test_looks_that_models_read_are_taken(flags: dict[str, Any], assets: Path) -> None:
    assert chosen(assets, flags).settings.watch.look == flags["watch.look"]


def test_looks_of_listed_sources_are_checked(assets: Path) -> None:
    source = {"source_id": "cam", "url": "test://bars", "mode": "polling", "watch": {"frames": 5}}
    with pytest.raises(ConfigError, match=r"watch\.frames = 5 of a poll"):
        chosen(assets, {"sources": [{**source, "speak": {"strategy": "interval"}}]})
