"""Mobile-VideoGPT back end: tokens into the language half, text out, with LoRA adapters by request."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from cornerman_common.model_location import model_path, set_threads
from cornerman_common.model_placement import load_failure, place_model
from cornerman_generator.adapter_switch import AdapterSwitch, load_adapters
from cornerman_generator.core import require_tokens
from cornerman_generator.protocol import TextDelta
from cornerman_generator.smaller import reply_or_smaller
from cornerman_generator.threads import in_thread
from cornerman_pose.facts import prompt_with_facts
from cornerman_shared.errors import ConfigError, GenerationError
from mobile_videogpt import MobileVideoGPT
from mobile_videogpt.errors import ModelError
from mobile_videogpt.names import half_of

if TYPE_CHECKING:
    from cornerman_generator.protocol import Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request
    from cornerman_shared.settings.tree import GeneratorSettings
    from mobile_videogpt.context import ChunkTokens
    from mobile_videogpt.quantize import Quantization


class MobileVideoGPTGenerator:
    """Answers as many requests at once as there are slots, each in a thread; they share one model.

    Args:
        model: with its language half and tokenizer.
        name: its name in messages.
        adapters: folders or hub names of LoRA adapters by the name that requests use.
        slots: requests at once.
    """

    wants: Wants = "tokens"

    def __init__(self, model: MobileVideoGPT, name: str, adapters: Mapping[str, str], slots: int = 1) -> None:
        self._model = model
        self.model = name
        self.placement = ""
        self._adapters = AdapterSwitch(model, adapters)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="generate")

    @classmethod
    def load(cls, settings: GeneratorSettings) -> MobileVideoGPTGenerator:
        """Reads the language half only.

        Raises:
            ConfigError: the checkpoint is missing, damaged or without a tokenizer, an adapter does not fit it, or the
                device is missing or cannot quantize.
        """
        set_threads(settings.threads)
        path = model_path("generator.model", settings.model)
        placed = place_model(
            "generator",
            path,
            device=settings.device,
            dtype=settings.dtype,
            quantize=settings.quantize,
            counts=lambda name: half_of(name) == "language",
        )
        try:
            model = MobileVideoGPT.from_pretrained(
                path,
                part="language",
                dtype=placed.dtype,
                device=placed.device,
                quantize=_quantization(placed.quantize, placed.device),
            )
        except (ModelError, OSError, ValueError, RuntimeError) as error:
            raise load_failure("generator", path, error) from error
        load_adapters(model, settings.adapters)
        if model.tokenizer is None:
            raise ConfigError(f"generator.model = {path!r} has no tokenizer; put tokenizer.json into its folder")
        generator = cls(model, Path(path).name, settings.adapters, settings.slots)
        generator.placement = placed.words
        generator.warm_up()
        return generator

    def warm_up(self) -> None:
        """Generates two tokens about an empty chunk, so that the first request does not wait for kernels to load."""
        config = self._model.config
        width = config.language.width
        chunk = _Tensors(
            torch.zeros(config.chunk_frames, config.image_tokens, width), torch.zeros(config.video_tokens, width)
        )
        for _ in self._model.generate([chunk], "?", max_new_tokens=2):
            pass
        self._model.clear_prefixes()

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """Streams the model's reply."""
        return in_thread(lambda cancel: self._reply(request, chunks, cancel), self._pool)

    async def close(self) -> None:
        """Ends the threads after the replies in work."""
        self._pool.shutdown(wait=False)

    def _reply(self, request: Request, chunks: Sequence[ChunkInput], cancel: threading.Event) -> Iterator[TextDelta]:
        require_tokens(chunks)
        try:
            with self._adapters.using(request.adapter):
                yield from reply_or_smaller(
                    lambda n: self._deltas(request, chunks[len(chunks) - n :], cancel),
                    len(chunks),
                    self._model.clear_prefixes,
                )
        except (ModelError, RuntimeError, ValueError) as error:
            raise GenerationError(f"{self.model}: {error}") from error

    def _deltas(self, request: Request, chunks: Sequence[ChunkInput], cancel: threading.Event) -> Iterator[TextDelta]:
        sampling = request.sampling
        deltas = self._model.generate(
            [torch_tokens(chunk) for chunk in chunks],
            prompt_with_facts(request.prompt, request.about),
            system_prompt=request.system_prompt or None,
            frame_ids=frame_ids(chunks),
            action=action_of(request),
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            repetition_penalty=sampling.repetition_penalty,
            cancel=cancel,
        )
        for delta in deltas:
            yield TextDelta(delta.text, delta.n_tokens, delta.stats.prompt_tokens if delta.stats else 0)


def action_of(request: Request) -> str | None:
    """The decider's action for the prompt; None for a question, which has no decision."""
    return request.action if request.kind == "feedback" else None


def frame_ids(chunks: Sequence[ChunkInput]) -> list[list[float]]:
    """Media times of each chunk's frames, so that frames in an overlap count once."""
    return [[round(pts_s, 6) for pts_s in chunk.ref.frame_pts_s] for chunk in chunks]


def torch_tokens(chunk: ChunkInput) -> ChunkTokens:
    """A chunk's tokens as the model reads them."""
    # Arrays from the bus are read-only views; torch wants memory it may write to.
    return _Tensors(torch.from_numpy(np.array(chunk.context)), torch.from_numpy(np.array(chunk.video)))


@dataclass(frozen=True, slots=True)
class _Tensors:
    context: torch.Tensor  # [8, P, D]
    video: torch.Tensor  # [V, D]


def _quantization(setting: str, device: torch.device) -> Quantization | None:
    if setting == "none":
        return None
    if setting == "int4":
        return "4bit"
    return "8bit" if device.type == "cuda" else "int8"  # bitsandbytes on CUDA, torch's own elsewhere
