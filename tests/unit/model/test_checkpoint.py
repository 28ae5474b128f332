"""Checkpoints in the published layout: read, refused, written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mobile_videogpt.config import (
    MobileVideoGPTConfig,
)
from mobile_videogpt.errors import CheckpointError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.prompts import EXERCISE_SYSTEM
from mobile_videogpt.tokenizer import tiny_tokenizer
from mobile_videogpt.weights import WeightFiles
from tests.unit.model.published import CLIP, VIDEO, assert_holds, write_checkpoint

KEYS = json.loads((Path(__file__).parents[2] / "parity/data/keys_0_5b.json").read_text(encoding="utf-8"))


def without(name: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.__delitem__(name)


def added(name: str, shape: tuple[int, ...]) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.update({name: torch.zeros(shape)})


DAMAGES = {
    "backward scan lost": (
        without(f"{VIDEO}vision_encoder.layers.7.mixer.A_b_log"),
        rf"missing: {VIDEO}vision_encoder.layers.7.mixer.A_b_log\.",
    ),
    "projector lost": (
        without("model.mm_projector.mlp.mlp.2.bias"),
        r"missing: model.mm_projector.mlp.mlp.2.bias\.",
    ),
    "language layer lost": (
        without("model.layers.23.self_attn.k_proj.weight"),
        r"missing: model.layers.23.self_attn.k_proj.weight\.",
    ),
    "name left over": (
        added("model.layers.24.mlp.up_proj.weight", (24, 16)),
        r"unexpected: model.layers.24.mlp.up_proj.weight\.",
    ),
    "name of no half": (added("model.audio_tower.weight", (2,)), r"unexpected: model.audio_tower.weight\."),
    "wrong shape": (
        added("model.image_mm_projector.mlp.mlp.0.weight", (16, 9)),
        r"of another shape: model.image_mm_projector.mlp.mlp.0.weight is \[16, 9\], not \[16, 8\]\.",
    ),
    "embedding cut": (
        added("model.embed_tokens.weight", (390, 16)),
        r"of another shape: model.embed_tokens.weight is \[390, 16\], not \[400, 16\]\.",
    ),
    "head not tied": (added("lm_head.weight", (400, 16)), r"lm_head.weight differs from model.embed_tokens"),
}


def test_full_checkpoint_loads_every_name(published_folder: Path, published_state: dict[str, Tensor]) -> None:
    assert set(published_state) == set(KEYS) - {"lm_head.weight"}
    model = MobileVideoGPT.from_pretrained(published_folder, device="cpu")
    assert_holds(model, published_state)
    assert set(model.published_state_dict()) == set(KEYS)
    language = model.require_language()
    assert language.lm_head.weight is language.model.embed_tokens.weight
    assert not model.training
    assert model.config.video.width == 8  # and not the file's mm_hidden_size of 768


def test_half_reads_only_its_own_names(
    published_folder: Path, published_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = WeightFiles.read

    def spy(self: WeightFiles, name: str) -> Tensor:
        read.append(name)
        return original(self, name)

    monkeypatch.setattr(WeightFiles, "read", spy)
    vision = MobileVideoGPT.from_pretrained(published_folder, "vision", device="cpu")
    assert vision.language is None
    assert vision.tokenizer is None
    assert len(read) == 554 + 199 + 12
    assert not [n for n in read if "embed_tokens" in n or n.startswith("model.layers")]
    assert_holds(vision, published_state, "model.mm_projector")
    read.clear()
    language = MobileVideoGPT.from_pretrained(published_folder, "language", device="cpu")
    assert language.vision is None
    assert len(read) == 24 * 12 + 2
    assert_holds(language, published_state, "model.layers")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_names_the_weight(tmp_path: Path, published_state: dict[str, Tensor], damage: str) -> None:
    change, message = DAMAGES[damage]
    broken = dict(published_state)
    change(broken)
    write_checkpoint(tmp_path, broken)
    with pytest.raises(CheckpointError, match=message):
        MobileVideoGPT.from_pretrained(tmp_path, device="cpu")


def test_newer_and_older_names_load(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    newer = {n.replace(f"{CLIP}vision_model.", CLIP): t for n, t in published_state.items()}
    assert set(newer) != set(published_state)
    newer[f"{CLIP}embeddings.position_ids"] = torch.arange(5.0)
    newer["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    assert_holds(MobileVideoGPT.from_pretrained(write_checkpoint(tmp_path, newer), device="cpu"), published_state)
    newer[f"{CLIP}vision_model.pre_layrnorm.bias"] = torch.zeros(8)
    with pytest.raises(CheckpointError, match=r"stand for the same weights: .*pre_layrnorm.bias"):
        MobileVideoGPT.from_pretrained(write_checkpoint(tmp_path / "twice", newer), device="cpu")


@pytest.mark.parametrize("level", ["base_model.model.", "base_model.", ""])
def test_trainables_replace_weights(published_folder: Path, published_state: dict[str, Tensor], level: str) -> None:
    name = "model.mm_projector.mlp.mlp.0.weight"
    torch.save({level + name: published_state[name] + 5}, published_folder / "non_lora_trainables.bin")
    own = MobileVideoGPT.from_pretrained(published_folder, "vision", device="cpu").published_state_dict()
    assert torch.equal(own[name], published_state[name] + 5)


def test_saved_model_loads_equal(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = replace(MobileVideoGPTConfig.tiny(), system_prompt=EXERCISE_SYSTEM)
    model = MobileVideoGPT(config)
    model.tokenizer = tiny_tokenizer()
    for limit, files in ((10**9, 1), (10**6, 7)):
        target = tmp_path / str(limit)
        model.save_pretrained(target, max_shard_bytes=limit)
        shards = list(target.glob("*.safetensors"))
        assert len(shards) == files
        assert not any("lm_head.weight" in load_file(shard) for shard in shards)
        again = MobileVideoGPT.from_pretrained(target, device="cpu")
        assert again.config == config
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), name
        assert again.tokenizer is not None
        assert again.tokenizer.encode("knees") == model.tokenizer.encode("knees")


def test_untied_head_is_saved_and_required(tmp_path: Path) -> None:
    tiny = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(tiny, language=replace(tiny.language, tie_embeddings=False)), "language")
    model.save_pretrained(tmp_path)
    again = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")
    head, embedding = again.require_language().lm_head.weight, again.require_language().model.embed_tokens.weight
    assert torch.equal(head, model.require_language().lm_head.weight)
    assert not torch.equal(head, embedding)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: lm_head.weight"):
        MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu")


def test_folder_without_checkpoint_is_refused(tmp_path: Path, published_state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        MobileVideoGPT.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"no config.json"):
        MobileVideoGPT.from_pretrained(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="this one as lora="):
        MobileVideoGPT.from_pretrained(tmp_path)
    write_checkpoint(tmp_path, published_state, model_type="qwen2")
    with pytest.raises(CheckpointError, match="model_type 'qwen2'"):
        MobileVideoGPT.from_pretrained(tmp_path)
    write_checkpoint(tmp_path, published_state, hidden_size="wide")
    with pytest.raises(CheckpointError, match=r"language.width has value 'wide'"):
        MobileVideoGPT.from_pretrained(tmp_path)
    write_checkpoint(tmp_path, published_state)
    for file in tmp_path.glob("model*"):
        file.unlink()
    with pytest.raises(CheckpointError, match="no weights"):
        MobileVideoGPT.from_pretrained(tmp_path)
