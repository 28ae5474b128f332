"""`config.json` in the published layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT


def test_reply_action_survives_saving(action_model: MobileVideoGPT, tmp_path: Path) -> None:
    action_model.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")
    assert again.config.reply_action
    assert torch.equal(again.assemble([], "?", action="correct"), action_model.assemble([], "?", action="correct"))
    assert not MobileVideoGPTConfig.full_0_5b().reply_action


def test_saved_config_has_published_layout(tiny_folder: Path) -> None:
    config = json.loads((tiny_folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "MobileVideoGPT_qwen"
    assert config["architectures"] == ["MobileVideoGPTQwenForCausalLM"]
    assert (config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]) == (128, 3, 2048)
