"""Reads and writes `config.json` of a checkpoint folder.

The published file describes Qwen2 and names the towers. Sizes of the towers, the system prompt and the action tokens
are in our own section, `mobile_videogpt`; without it the published values apply. Reads no weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mobile_videogpt.config import LanguageConfig, MobileVideoGPTConfig
from mobile_videogpt.errors import CheckpointError

CONFIG_FILE = "config.json"
SECTION = "mobile_videogpt"
MODEL_TYPE = "MobileVideoGPT_qwen"
DEFAULT_VIDEO_TOWER = "OpenGVLab/VideoMamba"
DEFAULT_IMAGE_TOWER = "openai/clip-vit-base-patch16"

# Field of LanguageConfig -> key of a published config.json.
_LANGUAGE_KEYS = {
    "vocab_size": "vocab_size",
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "mlp_width": "intermediate_size",
    "rms_eps": "rms_norm_eps",
    "rope_theta": "rope_theta",
    "max_positions": "max_position_embeddings",
    "tie_embeddings": "tie_word_embeddings",
}


def read_raw(folder: Path) -> dict[str, object]:
    """`config.json` as it is.

    Raises:
        CheckpointError: if it is absent or not a JSON object.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        hint = ""
        if (folder / "adapter_config.json").is_file():
            hint = " It holds a LoRA adapter: pass the base model's folder, and this one as lora=."
        raise CheckpointError(f"{folder} has no {CONFIG_FILE}, so it is not a checkpoint.{hint}")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}). Download it again.") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} holds a {type(raw).__name__}, not an object")
    return raw


def parse(raw: Mapping[str, object], where: str = CONFIG_FILE) -> MobileVideoGPTConfig:
    """The config that a published `config.json` describes; its `mm_hidden_size` is wrong and not read.

    Raises:
        CheckpointError: on another model type, or a value that does not fit.
    """
    kind = raw.get("model_type")
    if kind != MODEL_TYPE:
        raise CheckpointError(
            f"{where} has model_type {kind!r}, not {MODEL_TYPE!r}; this is not a Mobile-VideoGPT checkpoint"
        )
    section = raw.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise CheckpointError(f"{where}: {SECTION} is a {type(section).__name__}, not an object")
    values: dict[str, object] = {k: raw[key] for k, key in _LANGUAGE_KEYS.items() if key in raw}
    rope = raw.get("rope_parameters")
    if isinstance(rope, Mapping) and "rope_theta" in rope:  # transformers 5 moved it there
        values["rope_theta"] = rope["rope_theta"]
    try:
        # The published keys give the language model's sizes; our section cannot contradict them.
        config = MobileVideoGPTConfig.from_dict({**section, "language": values})
        layer = raw.get("mm_vision_select_layer")
        if SECTION not in raw and isinstance(layer, int):
            config = replace(config, image=replace(config.image, select_layer=layer))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{where}: {error}") from error
    return config


def render(config: MobileVideoGPTConfig, dtype: str) -> dict[str, object]:
    """A `config.json` in the published layout that `parse` reads back to an equal config."""
    section = {name: value for name, value in config.to_dict().items() if name != "language"}
    language: LanguageConfig = config.language
    return {
        "architectures": ["MobileVideoGPTQwenForCausalLM"],
        "model_type": MODEL_TYPE,
        **{key: getattr(language, name) for name, key in _LANGUAGE_KEYS.items()},
        "hidden_act": "silu",
        "torch_dtype": dtype,
        "use_cache": True,
        "use_mm_proj": True,
        "mm_projector_type": "etp",
        "image_mm_projector_type": "etp",
        "mm_hidden_size": config.video.width,
        "image_mm_hidden_size": config.image.width,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": config.image.select_layer,
        "mm_vision_tower": DEFAULT_VIDEO_TOWER,
        "image_mm_vision_tower": DEFAULT_IMAGE_TOWER,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        SECTION: section,
    }
