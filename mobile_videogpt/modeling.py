"""Mobile-VideoGPT: frames in, visual tokens out, and a Qwen2 that reads them.

The two halves are separate submodules, so that an encoder never holds Qwen2 and a generator never holds the
towers. The published checkpoints keep both under one `model.`; `published_name` and `module_name` are the
mapping between the two spellings. It knows nothing of files, prompts or sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from mobile_videogpt.config import LanguageConfig, MobileVideoGPTConfig
from mobile_videogpt.speaking import Speaking
from mobile_videogpt.tokens import Tokens
from mobile_videogpt.vision import VisionHalf

Part = Literal["vision", "language", "all"]

# A published name begins with one of these when it belongs to the vision half.
VISION_PREFIXES = ("vision_tower.", "image_vision_tower.", "mm_projector.", "image_mm_projector.")


def published_name(name: str) -> str:
    """Name in this module -> name in a published checkpoint.

    `vision.X` is spelt `model.X` there, and `language.X` just `X` (`model.layers...`, `lm_head.weight`).
    """
    half, _, rest = name.partition(".")
    if half == "vision":
        return "model." + rest
    if half == "language":
        return rest
    raise ValueError(f"{name!r} belongs to neither half; it must begin with 'vision.' or 'language.'")


def module_name(published: str) -> str:
    """Name in a published checkpoint -> name in this module; the inverse of `published_name`."""
    rest = published.removeprefix("model.")
    if rest != published and rest.startswith(VISION_PREFIXES):
        return "vision." + rest
    return "language." + published


def qwen2_config(config: LanguageConfig) -> Qwen2Config:
    """The transformers config of the language half."""
    return Qwen2Config(
        vocab_size=config.vocab_size,
        hidden_size=config.width,
        intermediate_size=config.mlp_width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.max_positions,
        rms_norm_eps=config.rms_eps,
        rope_theta=config.rope_theta,
        tie_word_embeddings=config.tie_embeddings,
    )


class MobileVideoGPT(Speaking, nn.Module):
    """The whole model, or one of its halves.

    Args:
        config: all sizes.
        part: `"vision"`, `"language"` or `"all"`.

    Weights are random until loaded. The encode methods run in inference mode and are safe to call from
    several threads; the `forward_*` methods keep gradients and are for training.
    """

    def __init__(self, config: MobileVideoGPTConfig, part: Part = "all") -> None:
        super().__init__()
        if part not in ("vision", "language", "all"):
            raise ValueError(f"part {part!r} does not exist; use 'vision', 'language' or 'all'")
        self.config = config
        self.part: Part = part
        self.vision: VisionHalf | None = None
        self.language: Qwen2ForCausalLM | None = None
        if part != "language":
            self.vision = VisionHalf(config)
        if part != "vision":
            self.language = Qwen2ForCausalLM(qwen2_config(config.language))

    def require_vision(self) -> VisionHalf:
        """The vision half.

        Raises:
            RuntimeError: if the model was built without it.
        """
        if self.vision is None:
            raise RuntimeError("this model holds the language half only; load it with part='vision' or 'all'")
        return self.vision

    def require_language(self) -> Qwen2ForCausalLM:
        """The language half.

        Raises:
            RuntimeError: if the model was built without it.
        """
        if self.language is None:
            raise RuntimeError("this model holds the vision half only; load it with part='language' or 'all'")
        return self.language

    def published_state_dict(self) -> dict[str, Tensor]:
        """The weights under their published names; `lm_head.weight` is there even when tied."""
        return {published_name(name): tensor for name, tensor in self.state_dict().items()}

    def load_published_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Load weights under their published names, all of this part's and no others.

        Raises:
            RuntimeError: from torch, listing missing, unexpected and mis-shaped names in this module's
                spelling. Files are read, and their errors told in the published spelling, elsewhere.
        """
        self.load_state_dict({module_name(name): tensor for name, tensor in state.items()}, strict=True)

    @torch.inference_mode()
    def encode_chunk(self, frames: Tensor) -> Tokens:
        """Encode streaming chunks: no frame is dropped, one pass of the video tower.

        Args:
            frames: `[B, 8, H, W, 3]` uint8 RGB of any size, on any device.

        Returns:
            Tokens with context `[B, 8, 144, D]` and video `[B, 98, D]` in the published sizes.

        Raises:
            ValueError: on another shape, number of frames or dtype.
        """
        return self.forward_chunk(frames)

    @torch.inference_mode()
    def encode_clip(self, frames: Tensor) -> Tokens:
        """Encode clips on the published path: 4 of each 8 frames are selected for the video tower.

        Args:
            frames: `[B, 16, H, W, 3]` uint8 RGB of any size, on any device.

        Returns:
            Tokens with context `[B, 16, 144, D]`, video `[B, 98, D]` and the selected frames.

        Raises:
            ValueError: on another shape, number of frames or dtype.
        """
        return self.forward_clip(frames)

    def forward_chunk(self, frames: Tensor) -> Tokens:
        """`encode_chunk` with gradients kept."""
        return self.require_vision().chunk(frames)

    def forward_clip(self, frames: Tensor) -> Tokens:
        """`encode_clip` with gradients kept; the selection itself has none."""
        return self.require_vision().clip(frames)
