"""Options of polling: defaults, adapters, contradictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cornerman.local.output_files import writable_folder
from cornerman.local.poll_adapter import BASE, DEFAULT_ADAPTER, adapter_folder, default_adapter
from cornerman.local.poll_plan import PollOptions, interval_list
from cornerman.local.poll_settings import few_pictures, poll_settings
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import SaySettings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def an_adapter(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").touch()
    return folder


def test_defaults_are_those_of_the_old_tool() -> None:
    settings = poll_settings(PollOptions()).settings
    assert (settings.speak.strategy, settings.speak.interval_s) == ("interval", 3.0)
    assert (settings.watch.look, settings.watch.frames, settings.watch.window_s) == ("poll", 16, 4.0)
    assert (settings.say.max_new_tokens, settings.say.temperature) == (512, 0.0)
    assert settings.say.prompt == SaySettings().prompt
    assert settings.log.level == "info"


@pytest.mark.parametrize("level", ["INFO", "info", "Debug", "ERROR", "WaRnInG"])
def test_log_level_is_of_any_case(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert poll_settings(PollOptions(log_level=level)).settings.log.level == level.lower()
    monkeypatch.setenv("CORNERMAN_LOG__LEVEL", level)
    assert poll_settings(PollOptions()).settings.log.level == level.lower()


def test_unknown_log_level_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"log\.level = 'loud'"):
        poll_settings(PollOptions(log_level="LOUD"))


def test_base_gets_its_adapter(tmp_path: Path) -> None:
    folder = an_adapter(tmp_path / "hub" / f"models--{DEFAULT_ADAPTER.replace('/', '--')}" / "snapshots" / "abc")
    settings = poll_settings(PollOptions(base_model=BASE)).settings
    assert (settings.say.adapter, settings.generator.adapters) == ("lora", {"lora": str(folder)})
    assert (settings.encoder.model, settings.generator.model) == (BASE, BASE)


def test_missing_adapter_never_runs_the_base() -> None:
    with pytest.raises(ConfigError, match=r"not on this machine.*hf download EdgeVLM-Labs/mobile-videogpt.*none"):
        poll_settings(PollOptions(base_model=BASE))
    with pytest.raises(ConfigError, match=r"not on this machine.*hf download me/mine"):
        poll_settings(PollOptions(base_model=BASE, lora_weights="me/mine"))


@pytest.mark.parametrize("none", ["none", "None", ""])
def test_none_is_the_base_alone(none: str) -> None:
    settings = poll_settings(PollOptions(base_model=BASE, lora_weights=none)).settings
    assert (settings.say.adapter, settings.generator.adapters) == ("", {})


@pytest.mark.parametrize(
    ("base", "adapter"),
    [
        (BASE, DEFAULT_ADAPTER),
        ("/models/Mobile-VideoGPT-0.5B/", DEFAULT_ADAPTER),
        ("Amshaker/Mobile-VideoGPT-1.5B", None),
        ("./mine", None),
        ("", None),
        (None, None),
    ],
)
def test_only_its_base_has_a_default(base: str | None, adapter: str | None) -> None:
    assert default_adapter(base) == adapter


def test_relative_adapter_is_made_absolute(tmp_path: Path) -> None:
    folder = an_adapter(tmp_path / "lora.v1 ok")
    settings = poll_settings(PollOptions(base_model="./base", lora_weights="./lora.v1 ok")).settings
    assert settings.generator.adapters == {"lora": str(folder)}


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_half_an_adapter_is_refused(tmp_path: Path, missing: str) -> None:
    (an_adapter(tmp_path / "lora") / missing).unlink()
    with pytest.raises(ConfigError, match=f"not a LoRA adapter: {missing} is missing"):
        adapter_folder(str(tmp_path / "lora"))


@pytest.mark.parametrize("wanted", ["./nowhere", "/nowhere", "a/b/c", "lora", "~/nowhere"])
def test_wrong_adapter_path_is_named(wanted: str) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        adapter_folder(wanted)


@pytest.mark.parametrize(
    ("given", "bits"),
    [({"load_4bit": True}, "int4"), ({"load_8bit": True}, "int8"), ({"quantize": "int8", "load_8bit": True}, "int8")],
)
def test_bits_have_two_spellings(given: dict[str, Any], bits: str) -> None:
    assert poll_settings(replace(PollOptions(), **given)).settings.generator.quantize == bits


def test_contradicting_bits_are_refused() -> None:
    with pytest.raises(ConfigError, match="--load-4bit and --load-8bit"):
        poll_settings(PollOptions(load_4bit=True, load_8bit=True))


def test_model_that_sees_frames_needs_no_encoder() -> None:
    settings = poll_settings(PollOptions(generator="openai", base_model="qwen2.5vl", lora_weights="coach")).settings
    assert (settings.encoder.backend, settings.encoder.model) == ("fake", "")
    assert (settings.generator.model, settings.say.adapter) == ("qwen2.5vl", "coach")
    own = poll_settings(PollOptions(generator="openai", encoder="pose")).settings
    assert own.encoder.backend == "pose"


@pytest.mark.parametrize("text", ["", "1,x", "0,1", "1,,2", "-1", "nan", "inf", "1,1"])
def test_wrong_intervals_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--intervals"):
        interval_list(text)


def test_unwritable_folder_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--output-dir .*cannot be written"):
        writable_folder("--output-dir", tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("asked", "rate"),
    [
        ({}, 4.0),
        ({"num_frames": 8, "window_s": 16.0}, 1.0),
        ({"num_frames": 32}, 8.0),
        ({"fps": 1.0}, 1.0),
        ({"fps": 30.0}, 30.0),
    ],
)
def test_fps_left_out_is_raised(asked: dict[str, Any], rate: float) -> None:
    settings = poll_settings(replace(PollOptions(), **asked)).settings
    assert settings.watch.sample_fps == rate
    assert settings.speak.interval_s == 3.0


def test_few_pictures_are_told() -> None:
    assert few_pictures(PollOptions()) == few_pictures(PollOptions(fps=4.0)) == ""
    assert "about 4 different pictures for the 16" in few_pictures(PollOptions(fps=1.0))
