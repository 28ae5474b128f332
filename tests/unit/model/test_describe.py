"""Descriptions of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mobile_videogpt.cli import main


def test_describe_prints_sizes_and_fit(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(tiny_folder)]) == 0
    output = capsys.readouterr().out
    for part in (
        "VideoMamba, 3 layers of 96",
        "CLIP, 3 layers of 96",
        "Qwen2, 3 layers of 128, 2048 rows, tied head",
        "160 for a chunk of 8 frames, 288 for a clip of 16",
        "384 tokens, 1664 free rows, <next> = 381",
        "'You are a helpful assistant.'",
        "complete: every name",
    ):
        assert part in output, part


def test_describe_prints_loading_problem(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = load_file(tiny_folder / "model.safetensors")
    del weights["model.layers.2.mlp.up_proj.weight"]
    save_file(weights, tiny_folder / "model.safetensors")
    assert main(["describe", str(tiny_folder)]) == 1
    assert "missing: model.layers.2.mlp.up_proj.weight" in capsys.readouterr().out
    bare = {n: t for n, t in load_file(tiny_folder / "model.safetensors").items() if "vision_tower" not in n}
    bare["model.layers.2.mlp.up_proj.weight"] = torch.zeros(352, 128)
    save_file(bare, tiny_folder / "model.safetensors")
    assert main(["describe", str(tiny_folder)]) == 1
    assert "pass video_tower= and image_tower=" in capsys.readouterr().out
