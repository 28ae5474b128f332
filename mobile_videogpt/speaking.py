"""What users call on a model besides encoding: load, save, ask, adapters, a rolling context.

A mixin without state of its own but the tokenizer; each method hands over to the module that does the work.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor

from mobile_videogpt.batching import generate_batch
from mobile_videogpt.context import ChunkTokens
from mobile_videogpt.decoding import SamplingSettings
from mobile_videogpt.engine import LanguageEngine
from mobile_videogpt.generation import PromptRequest, TextGenerator
from mobile_videogpt.reply import Cancel, ReplyDelta, ReplySettings, whole
from mobile_videogpt.rolling import RollingSession
from mobile_videogpt.tokenizer import ChatTokenizer

if TYPE_CHECKING:
    from mobile_videogpt.lora import LoraAdapters
    from mobile_videogpt.modeling import MobileVideoGPT, Part
    from mobile_videogpt.quantize import Quantization


class Speaking:
    """Loading, saving and text for `MobileVideoGPT`.

    Attributes:
        tokenizer: reads prompts and writes text; None for the vision half and for random weights.
    """

    tokenizer: ChatTokenizer | None = None
    _generator: TextGenerator | None = None
    _adapters: LoraAdapters | None = None

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
        """Loads a checkpoint in the published layout; only the asked part is built and read.

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
            QuantizationError: if this machine cannot do what `quantize` asks.
        """
        from mobile_videogpt import checkpoint
        from mobile_videogpt.hub import resolve
        from mobile_videogpt.quantize import check_quantization
        from mobile_videogpt.towers import TowerSources

        target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        check_quantization(quantize, target)
        model = checkpoint.read(
            resolve(path_or_name, revision=revision, offline=offline),
            part,
            dtype or checkpoint.default_dtype(target),
            TowerSources(video_tower, image_tower, revision=None, offline=offline),
        )
        if action_tokens:
            checkpoint.add_actions(model)
        if system_prompt is not None:
            model.config = replace(model.config, system_prompt=system_prompt)
        checkpoint.finish(model, target, lora, quantize)
        return cast("Self", model)

    def save_pretrained(self, folder: str | Path, max_shard_bytes: int = 2_000_000_000) -> None:
        """Writes a checkpoint that `from_pretrained` reads back equal; see `mobile_videogpt.checkpoint.save`."""
        from mobile_videogpt.checkpoint import save

        save(self._model(), folder, max_shard_bytes)

    @property
    def lora(self) -> LoraAdapters:
        """The model's adapters: `load`, `activate`, `merge`, `unload`."""
        if self._adapters is None:
            from mobile_videogpt.checkpoint import read_trainables
            from mobile_videogpt.lora import LoraAdapters

            self._adapters = LoraAdapters(self._model(), read_trainables, self.forget_prompts)
        return self._adapters

    @property
    def active_adapter(self) -> str | None:
        """Name of the adapter that speaks; asking loads nothing, unlike `lora`, which imports PEFT."""
        return self._adapters.active if self._adapters is not None else None

    @property
    def speech(self) -> TextGenerator:
        """The language half with its tokenizer; kept between calls, so that prompt beginnings are reused."""
        model = self._model()
        language = model.require_language()
        known = self._generator
        config = model.config
        settings = (self.tokenizer, config.system_prompt, config.reply_action, config.stream)
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

    def forget_prompts(self) -> None:
        """Drops kept states of prompt beginnings; to be called after changing weights by hand."""
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
        return self.speech.assemble(PromptRequest(chunks, prompt, system_prompt, frame_ids, action))

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
            max_new_tokens: end after so many tokens.
            temperature, top_p, repetition_penalty, seed: see `SamplingSettings`.
            stop: strings that end the reply and are not part of it.
            stream: False gives everything as one delta.

        Returns:
            Deltas as they are written; the last carries `stats`.

        Raises:
            GenerationError: for arguments that cannot be met, at the call and not at the first delta.
            ValueError: if the model answers to actions and has no token for `action`.
        """
        settings = ReplySettings(
            max_new_tokens=max_new_tokens,
            sampling=SamplingSettings(temperature, top_p, repetition_penalty, seed),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
        )
        deltas = self.speech.generate(PromptRequest(chunks, prompt, system_prompt, frame_ids, action, settings, cancel))
        return deltas if stream else iter([whole(list(deltas))])

    def generate_batch(self, requests: Sequence[PromptRequest]) -> Iterator[tuple[int, ReplyDelta]]:
        """Answers many requests side by side; see `mobile_videogpt.batching`."""
        return generate_batch(self.speech, requests)

    def action_logits(
        self,
        chunks: Sequence[ChunkTokens],
        prompt: str,
        *,
        system_prompt: str | None = None,
        frame_ids: Sequence[Sequence[Hashable]] | None = None,
    ) -> Tensor:
        """Logits [3] of `<next> <feedback> <correct>`; see `TextGenerator.action_logits`."""
        return self.speech.action_logits(PromptRequest(chunks, prompt, system_prompt, frame_ids))

    def rolling_session(self, *, sinks: int = 4, window: int = 4096, drop: int | None = None) -> RollingSession:
        """A context that never ends; see `RollingSession`."""
        rotary = self._model().require_language().model.rotary_emb
        return RollingSession(self.speech.engine, rotary.inv_freq, sinks=sinks, window=window, drop=drop)

    def _model(self) -> MobileVideoGPT:
        return cast("MobileVideoGPT", self)
