"""A small model in the published layout: every published name, small shapes."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from mobile_videogpt.config import (
    ClipVisionConfig,
    LanguageConfig,
    MobileVideoGPTConfig,
    ProjectorConfig,
    VideoMambaConfig,
)
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import tiny_tokenizer

CLIP = "model.image_vision_tower.vision_tower."
VIDEO = "model.vision_tower."

# Every layer of the published model, each of them small.
SMALL = MobileVideoGPTConfig(
    video=VideoMambaConfig(image_size=32, width=8, d_state=4, dt_rank=2, clip_decoder_width=4),
    image=ClipVisionConfig(image_size=32, width=8, heads=2, mlp_width=16),
    projector=ProjectorConfig(image_pool=2, video_pool=2),
    language=LanguageConfig(vocab_size=400, width=16, heads=2, kv_heads=1, mlp_width=24, max_positions=512),
)
PUBLISHED_JSON = {
    "architectures": ["MobileVideoGPTQwenForCausalLM"],
    "model_type": "MobileVideoGPT_qwen",
    "vocab_size": 400,
    "hidden_size": 16,
    "num_hidden_layers": 24,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "mm_hidden_size": 768,
    "mm_vision_tower": "OpenGVLab/VideoMamba",
    "image_mm_vision_tower": "openai/clip-vit-base-patch16",
    "mobile_videogpt": {k: v for k, v in SMALL.to_dict().items() if k != "language"},
}


def small_state(seed: int = 0) -> dict[str, Tensor]:
    """Weights under the names of the published file: all but the tied head."""
    random = torch.Generator().manual_seed(seed)
    shapes = {n: t.shape for n, t in MobileVideoGPT(SMALL).published_state_dict().items()}
    return {n: torch.randn(s, generator=random) * 0.1 for n, s in shapes.items() if n != "lm_head.weight"}


def write_checkpoint(folder: Path, state: dict[str, Tensor], **changes: object) -> Path:
    """A folder as published: config.json, weights in two shards with an index, the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**PUBLISHED_JSON, **changes}), encoding="utf-8")
    names = sorted(state)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, members in shards.items():
        save_file({n: state[n].contiguous() for n in members}, folder / shard, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {n: shard for shard, ms in shards.items() for n in ms}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    tiny_tokenizer().save(folder)
    return folder


def assert_holds(model: MobileVideoGPT, state: dict[str, Tensor], prefix: str = "") -> None:
    own = model.published_state_dict()
    compared = [n for n in state if n.startswith(prefix) and n in own]
    assert compared
    for name in compared:
        assert torch.equal(own[name], state[name]), name
