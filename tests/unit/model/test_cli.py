"""The command line and the README."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import mobile_videogpt
from mobile_videogpt.cli import main
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.video_file import spread_frames
from tests.unit.model.builders import write_video


def test_readme_examples_pass() -> None:
    readme = Path(mobile_videogpt.__file__).with_name("README.md")
    failed, tried = doctest.testfile(str(readme), module_relative=False)
    assert tried > 10
    assert failed == 0


@pytest.mark.parametrize("frames", ["clip", "chunk"])
def test_run_prints_answer_and_times(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], frames: str
) -> None:
    video = write_video(tmp_path / "squat.mp4", 20)
    arguments = ["run", str(video), "--model", str(tiny_folder), "--prompt", "How?", "--device", "cpu"]
    assert main([*arguments, "--frames", frames, "--max-new-tokens", "9"]) == 0
    output = capsys.readouterr()
    model = MobileVideoGPT.from_pretrained(tiny_folder, device="cpu")
    picked = spread_frames(video, 16 if frames == "clip" else 8)[None]
    tokens = model.encode_clip(picked) if frames == "clip" else model.encode_chunk(picked)
    (answer,) = model.generate([tokens], "How?", max_new_tokens=9, stream=False)
    assert output.out == answer.text + "\n"
    assert "9 tokens in" in output.err
    assert "ended by length" in output.err


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
def test_error_is_one_line_with_remedy(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main([a.format(folder=tiny_folder, empty=empty) for a in arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert message in output.err
    assert output.err.count("\n") == 1
