"""`MobileVideoGPT`: encodes frames into visual tokens, and answers prompts about them.

The two halves are separate submodules, so that an encoder never holds Qwen2 and a generator never holds the towers.
This is the top of the package: each method calls the module that does the work. Files are read by
`mobile_videogpt.loading` and adapters by `mobile_videogpt.lora`, which are imported on first use.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from mobile_videogpt.batching import generate_batch
from mobile_videogpt.decoding import ReplySettings, SamplingSettings
from mobile_videogpt.engine import LanguageEngine
from mobile_videogpt.generation import PromptRequest, TextGenerator
from mobile_videogpt.names import module_name, published_name
from mobile_videogpt.reply import Cancel, ReplyDelta, join_deltas
from mobile_videogpt.rolling import RollingSession
from mobile_videogpt.vision import VisionHalf

if TYPE_CHECKING:
    from mobile_videogpt.config import LanguageConfig, MobileVideoGPTConfig
    from mobile_videogpt.context import ChunkTokens
    from mobile_videogpt.lora import LoraAdapters
    from mobile_videogpt.names import Part
    from mobile_videogpt.quantize import Quantization
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


class MobileVideoGPT(nn.Module):
    """The whole model, or one of its halves.

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
        self._generator: TextGenerator | None = None
        self._adapters: LoraAdapters | None = None
        self.vision: VisionHalf | None = None
        self.language: Qwen2ForCausalLM | None = None
        if part != "language":
            self.vision = VisionHalf(config)
        if part != "vision":
            self.language = Qwen2ForCausalLM(qwen2_config(config.language))

    @classmethod
    def from_pretrained(
        cls,
        path_or_name: str | Path,
        part: Part = "all",
        *,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        lora: str | Path | Mapping[str, str | Path] | None = None,
        quantize: Quantization | None = None,
        video_tower: str | Path | None = None,
        image_tower: str | Path | None = None,
        system_prompt: str | None = None,
        action_tokens: bool = False,
        revision: str | None = None,
        offline: bool = False,
    ) -> Self:
        """Loads a checkpoint in the published layout; only the requested part is built and read.

        Args:
            path_or_name: a folder, or `OWNER/NAME` on the hub (`HF_HUB_OFFLINE` is respected).
            part: `"vision"`, `"language"` or `"all"`.
            dtype: of the weights; float32 on a CPU, bfloat16 on a GPU by default.
            device: a GPU if there is one by default.
            lora: an adapter's folder, or several as {name: folder}; the last one is active.
            quantize: `"4bit"` or `"8bit"` (bitsandbytes, CUDA), `"int8"` (CPU); the language half only.
            video_tower: a VideoMamba `.pth` to use instead of the weights in the checkpoint.
            image_tower: a CLIP folder or hub name to use instead.
            system_prompt: instead of the one stored with the model.
            action_tokens: adds `<next> <feedback> <correct>` where the vocabulary lacks them.
            revision: branch, tag or commit on the hub.
            offline: never asks the hub.

        Raises:
            CheckpointError: listing names that are missing, unexpected or of another shape.
            AdapterError: if an adapter was made for another model.
            QuantizationError: if this machine does not support `quantize`.
        """
        from mobile_videogpt import loading

        return loading.from_pretrained(
            cls,
            path_or_name,
            part,
            dtype=dtype,
            device=device,
            lora=lora,
            quantize=quantize,
            video_tower=video_tower,
            image_tower=image_tower,
            system_prompt=system_prompt,
            action_tokens=action_tokens,
            revision=revision,
            offline=offline,
        )

    def save_pretrained(self, folder: str | Path, max_shard_bytes: int = 2_000_000_000) -> None:
        """Writes a checkpoint that `from_pretrained` reads back equal; see `mobile_videogpt.checkpoint.save`."""
        from mobile_videogpt.checkpoint import save

        save(self, folder, max_shard_bytes)

    @property
    def lora(self) -> LoraAdapters:
        """The model's adapters: `load`, `activate`, `merge`, `unload`."""
        if self._adapters is None:
            from mobile_videogpt.checkpoint import read_trainables
            from mobile_videogpt.lora import LoraAdapters

            self._adapters = LoraAdapters(self, read_trainables, self.clear_prefixes)
        return self._adapters

    @property
    def active_adapter(self) -> str | None:
        """Name of the active adapter, or None; unlike `lora`, it does not import PEFT."""
        return self._adapters.active if self._adapters is not None else None

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

    @property
    def text_generator(self) -> TextGenerator:
        """The language half with its tokenizer; kept between calls, so that prompt prefixes are reused."""
        language = self.require_language()
        known, config = self._generator, self.config
        settings = (self.tokenizer, config.system_prompt, config.reply_action, config.stream)
        # Rebuilt when the tokenizer or the config changes; its prefix store is dropped with it.
        if known is None or (known.tokenizer, known.system_prompt, known.reply_action, known.stream) != settings:
            known = TextGenerator(
                LanguageEngine(language),
                self.tokenizer,
                system_prompt=config.system_prompt,
                max_tokens=config.language.max_positions,
                reply_action=config.reply_action,
                stream=config.stream,
            )
            self._generator = known
        return known

    def clear_prefixes(self) -> None:
        """Drops the cached states of prompt prefixes; call it after changing weights by hand."""
        if self._generator is not None:
            self._generator.engine.prefixes.clear()

    def assemble(
        self,
        chunks: Sequence[ChunkTokens],
        prompt: str,
        *,
        system_prompt: str | None = None,
        frame_ids: Sequence[Sequence[Hashable]] | None = None,
        action: str | None = None,
    ) -> Tensor:
        """The whole prompt as embeddings [1, n, D]; for the arguments see `PromptRequest`."""
        return self.text_generator.assemble(PromptRequest(chunks, prompt, system_prompt, frame_ids, action))

    def generate(
        self,
        chunks: Sequence[ChunkTokens],
        prompt: str,
        *,
        system_prompt: str | None = None,
        frame_ids: Sequence[Sequence[Hashable]] | None = None,
        action: str | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        stop: Sequence[str] = (),
        seed: int | None = None,
        cancel: Cancel | None = None,
        stream: bool = True,
    ) -> Iterator[ReplyDelta]:
        """Answers `prompt` about `chunks`; greedy unless a temperature is given.

        Args:
            chunks, prompt, system_prompt, frame_ids, action, cancel: see `PromptRequest`.
            max_new_tokens: the reply ends after this many tokens.
            temperature, top_p, repetition_penalty, seed: see `SamplingSettings`.
            stop: strings that end the reply and are not part of it.
            stream: False gives the whole reply as one delta.

        Returns:
            Deltas as they are generated; the last carries `stats`.

        Raises:
            ReplyError: for invalid arguments, at the call and not at the first delta.
            ValueError: if the model has `reply_action` and no token for `action`.
        """
        settings = ReplySettings(
            max_new_tokens=max_new_tokens,
            sampling=SamplingSettings(temperature, top_p, repetition_penalty, seed),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
        )
        deltas = self.text_generator.generate(
            PromptRequest(chunks, prompt, system_prompt, frame_ids, action, settings, cancel)
        )
        return deltas if stream else iter([join_deltas(list(deltas))])

    def generate_batch(self, requests: Sequence[PromptRequest]) -> Iterator[tuple[int, ReplyDelta]]:
        """Decodes many requests in one batch; see `mobile_videogpt.batching`."""
        return generate_batch(self.text_generator, requests)

    def action_logits(
        self,
        chunks: Sequence[ChunkTokens],
        prompt: str,
        *,
        system_prompt: str | None = None,
        frame_ids: Sequence[Sequence[Hashable]] | None = None,
    ) -> Tensor:
        """Logits [3] of `<next> <feedback> <correct>`; see `TextGenerator.action_logits`."""
        return self.text_generator.action_logits(PromptRequest(chunks, prompt, system_prompt, frame_ids))

    def rolling_session(self, *, sinks: int = 4, window: int = 4096, drop: int | None = None) -> RollingSession:
        """Opens an endless context in constant memory; see `RollingSession`."""
        rotary = self.require_language().model.rotary_emb
        return RollingSession(self.text_generator.engine, rotary.inv_freq, sinks=sinks, window=window, drop=drop)
