"""The network of Mobile-VideoGPT: its halves as submodules, weights by published name, frames to tokens.

The two halves are separate, so that an encoder never holds Qwen2 and a generator never holds the towers. Files,
adapters and text are the business of modules above; `mobile_videogpt.modeling` is the class that users load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from mobile_videogpt.names import module_name, published_name
from mobile_videogpt.vision import VisionHalf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobile_videogpt.config import LanguageConfig, MobileVideoGPTConfig
    from mobile_videogpt.names import Part
    from mobile_videogpt.tokenizer import ChatTokenizer
    from mobile_videogpt.tokens import Tokens


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


class VideoLanguageNetwork(nn.Module):
    """The whole network, or one of its halves.

    Weights are random until loaded. The encode methods run in inference mode and are safe to call from
    several threads; the `forward_*` methods keep gradients and are for training.

    Args:
        config: all sizes.
        part: `"vision"`, `"language"` or `"all"`.

    Attributes:
        tokenizer: encodes prompts and decodes text; None for the vision half and for random weights.
    """

    def __init__(self, config: MobileVideoGPTConfig, part: Part = "all") -> None:
        super().__init__()
        if part not in ("vision", "language", "all"):
            raise ValueError(f"part {part!r} does not exist; use 'vision', 'language' or 'all'")
        self.config = config
        self.part: Part = part
        self.tokenizer: ChatTokenizer | None = None
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
        """Loads weights under their published names, exactly those of this part.

        Raises:
            RuntimeError: from torch, listing missing, unexpected and mis-shaped names in this module's spelling.
                `mobile_videogpt.checkpoint` reports them in the published spelling.
        """
        self.load_state_dict({module_name(name): tensor for name, tensor in state.items()}, strict=True)

    @torch.inference_mode()
    def encode_chunk(self, frames: Tensor) -> Tokens:
        """Encodes streaming chunks: every frame is kept, one pass of the video tower.

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
        """Encodes clips on the published path: 4 of each 8 frames are selected for the video tower.

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
