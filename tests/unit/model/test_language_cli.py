"""The command line and the README: what a user types first."""

from __future__ import annotations

import doctest
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import mobile_videogpt
from mobile_videogpt.cli import main
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import tiny_tokenizer
from mobile_videogpt.video_file import VideoError, spread_frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = MobileVideoGPT(MobileVideoGPTConfig.tiny())
    model.tokenizer = tiny_tokenizer()
    model.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def film(path: Path, frames: int) -> Path:
    """A video whose n-th frame is a plain grey of n * 8."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height = 64, 48
        for n in range(frames):
            picture = np.full((48, 64, 3), n * 8, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_the_readme_runs() -> None:
    readme = Path(mobile_videogpt.__file__).with_name("README.md")
    failed, tried = doctest.testfile(str(readme), module_relative=False)
    assert tried > 10
    assert failed == 0


def test_describe_says_what_a_checkpoint_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(folder)]) == 0
    said = capsys.readouterr().out
    for part in (
        "VideoMamba, 3 layers of 96",
        "CLIP, 3 layers of 96",
        "Qwen2, 3 layers of 128, 2048 rows, tied head",
        "160 for a chunk of 8 frames, 288 for a clip of 16",
        "384 tokens, 1664 free rows, <next> = 381",
        "'You are a helpful assistant.'",
        "complete: every name",
    ):
        assert part in said, part


def test_describe_names_what_keeps_a_checkpoint_from_loading(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors")
    assert main(["describe", str(folder)]) == 1
    assert "missing: model.layers.2.mlp.up_proj.weight" in capsys.readouterr().out
    bare = {n: t for n, t in load_file(folder / "model.safetensors").items() if "vision_tower" not in n}
    bare["model.layers.2.mlp.up_proj.weight"] = torch.zeros(352, 128)
    save_file(bare, folder / "model.safetensors")
    assert main(["describe", str(folder)]) == 1
    assert "pass video_tower= and image_tower=" in capsys.readouterr().out


@pytest.mark.parametrize("frames", ["clip", "chunk"])
def test_run_prints_the_answer_and_its_times(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], frames: str
) -> None:
    video = film(tmp_path / "squat.mp4", 20)
    arguments = ["run", str(video), "--model", str(folder), "--prompt", "How?", "--device", "cpu"]
    assert main([*arguments, "--frames", frames, "--max-new-tokens", "9"]) == 0
    said = capsys.readouterr()
    model = MobileVideoGPT.from_pretrained(folder, device="cpu")
    picked = spread_frames(video, 16 if frames == "clip" else 8)[None]
    tokens = model.encode_clip(picked) if frames == "clip" else model.encode_chunk(picked)
    (answer,) = model.generate([tokens], "How?", max_new_tokens=9, stream=False)
    assert said.out == answer.text + "\n"
    assert "9 tokens in" in said.err
    assert "ended by length" in said.err


def test_frames_are_spread_from_the_first_to_the_last(tmp_path: Path) -> None:
    grey = spread_frames(film(tmp_path / "a.mp4", 31), 16).float().mean((1, 2, 3)) / 8
    assert torch.allclose(grey, torch.arange(0, 31, 2.0), atol=0.6)
    short = spread_frames(film(tmp_path / "b.mp4", 3), 8)
    assert short.shape == (8, 48, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "./nowhere"], "./nowhere does not exist; pass a checkpoint's folder"),
        (["describe", "{empty}"], "has no config.json, so it is not a checkpoint"),
        (["run", "{empty}/no.mp4", "--model", "{folder}"], "no.mp4 does not exist; pass a video file"),
        (["run", "{folder}/config.json", "--model", "{folder}"], "cannot be read as video"),
        (["run", "x.mp4", "--model", "{folder}", "--quantize", "4bit", "--device", "cpu"], "bitsandbytes on CUDA"),
        (["run", "x.mp4", "--model", "{folder}", "--lora", "{empty}"], "no adapter_config.json"),
    ],
)
def test_errors_are_one_line_with_the_remedy(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main([a.format(folder=folder, empty=empty) for a in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_file_without_pictures_is_told(tmp_path: Path) -> None:
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        samples.rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        spread_frames(sound, 8)


def test_the_config_on_disk_is_in_the_published_layout(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "MobileVideoGPT_qwen"
    assert config["architectures"] == ["MobileVideoGPTQwenForCausalLM"]
    assert (config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]) == (128, 3, 2048)
