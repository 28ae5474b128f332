"""`MobileVideoGPT`: encodes frames into visual tokens, and answers prompts about them.

This is the top of the package: each method calls the module that does the work. Files are read by
`mobile_videogpt.loading` and adapters by `mobile_videogpt.lora`, which are imported on first use.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from mobile_videogpt.batching import generate_batch
from mobile_videogpt.decoding import ReplySettings, SamplingSettings
from mobile_videogpt.engine import LanguageEngine
from mobile_videogpt.generation import PromptRequest, TextGenerator
from mobile_videogpt.network import VideoLanguageNetwork
from mobile_videogpt.reply import Cancel, ReplyDelta, join_deltas
from mobile_videogpt.rolling import RollingSession

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig
    from mobile_videogpt.context import ChunkTokens
    from mobile_videogpt.lora import LoraAdapters
    from mobile_videogpt.names import Part
    from mobile_videogpt.quantize import Quantization


class MobileVideoGPT(VideoLanguageNetwork):
    """The network with checkpoints, adapters and text: encodes frames and answers prompts about them.

    For the arguments and attributes see `VideoLanguageNetwork`.
    """

    def __init__(self, config: MobileVideoGPTConfig, part: Part = "all") -> None:
        super().__init__(config, part)
        self._generator: TextGenerator | None = None
        self._adapters: LoraAdapters | None = None

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
            lambda model: model.lora,
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

        save(self, folder, max_shard_bytes, self._adapters.names if self._adapters is not None else ())

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
