"""The language half of Mobile-VideoGPT as a generator: tokens in, text out, with LoRA adapters by request."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cornerman_common.model_location import model_path, set_threads, torch_device, torch_dtype
from cornerman_generator.core import ChunkInput, TextDelta, Wants, require_tokens
from cornerman_generator.threads import in_thread
from cornerman_shared.bus.messages import Request
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import GeneratorSettings
from mobile_videogpt import MobileVideoGPT
from mobile_videogpt.errors import ModelError
from mobile_videogpt.quantize import Quantization


@dataclass(frozen=True, slots=True)
class TorchTokens:
    """A chunk's tokens as the model reads them."""

    context: torch.Tensor  # [8, P, D]
    video: torch.Tensor  # [V, D]


class MobileVideoGPTGenerator:
    """Answers in threads, as many at once as there are slots; they share one model.

    Args:
        model: with its language half and tokenizer.
        name: what it is called in messages.
        adapters: LoRA adapters by name; a request may also name a folder.
        slots: requests at once.
    """

    wants: Wants = "tokens"

    def __init__(self, model: MobileVideoGPT, name: str, adapters: Mapping[str, str], slots: int = 1) -> None:
        self._model = model
        self.model = name
        self._adapters = AdapterSwitch(model, adapters)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="generate")

    @classmethod
    def load(cls, settings: GeneratorSettings) -> MobileVideoGPTGenerator:
        """Reads the language half only.

        Raises:
            ConfigError: no such checkpoint, a damaged one, no tokenizer, no such device, or it cannot quantize.
        """
        set_threads(settings.threads)
        path = model_path("generator.model", settings.model)
        device = torch_device("generator.device", settings.device)
        try:
            model = MobileVideoGPT.from_pretrained(
                path,
                part="language",
                dtype=torch_dtype(settings.dtype, device),
                device=device,
                quantize=_quantization(settings.quantize, device),
            )
        except (ModelError, OSError, ValueError) as error:
            raise ConfigError(f"generator.model = {path!r} cannot be loaded: {error}") from error
        if model.tokenizer is None:
            raise ConfigError(f"generator.model = {path!r} has no tokenizer; put tokenizer.json into its folder")
        generator = cls(model, Path(path).name, settings.adapters, settings.concurrency)
        generator.warm_up()
        return generator

    def warm_up(self) -> None:
        """Two tokens about an empty chunk, so that the first words do not wait for kernels to start."""
        config = self._model.config
        width = config.language.width
        chunk = TorchTokens(
            torch.zeros(config.chunk_frames, config.image_tokens, width), torch.zeros(config.video_tokens, width)
        )
        for _ in self._model.generate([chunk], "?", max_new_tokens=2):
            pass
        self._model.clear_prefixes()

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """Streams the model's reply."""
        return in_thread(lambda cancel: self._reply(request, chunks, cancel), self._pool)

    async def close(self) -> None:
        """Lets the threads go."""
        self._pool.shutdown(wait=False)

    def _reply(self, request: Request, chunks: Sequence[ChunkInput], cancel: threading.Event) -> Iterator[TextDelta]:
        require_tokens(chunks)
        sampling = request.sampling
        try:
            with self._adapters.using(request.adapter):
                deltas = self._model.generate(
                    [_tokens(chunk) for chunk in chunks],
                    request.prompt,
                    system_prompt=request.system_prompt or None,
                    frame_ids=[[round(pts_s, 6) for pts_s in chunk.ref.frame_pts_s] for chunk in chunks],
                    action=action_of(request),
                    max_new_tokens=sampling.max_new_tokens,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    repetition_penalty=sampling.repetition_penalty,
                    cancel=cancel,
                )
                for delta in deltas:
                    yield TextDelta(delta.text, delta.n_tokens, delta.stats.prompt_tokens if delta.stats else 0)
        except (ModelError, RuntimeError, ValueError) as error:
            raise GenerationError(f"{self.model}: {error}") from error


class AdapterSwitch:
    """Lets requests with one adapter run together, and changes the adapter when none is running.

    Args:
        model: the model that takes the adapters.
        known: their folders by name.
    """

    def __init__(self, model: MobileVideoGPT, known: Mapping[str, str]) -> None:
        self._model = model
        self._known = known
        self._free = threading.Condition()
        self._running = 0

    @contextmanager
    def using(self, wanted: str) -> Iterator[None]:
        """The body runs with this adapter active; empty = none.

        Raises:
            GenerationError: there is no such adapter, or it is of another model.
        """
        with self._free:
            self._free.wait_for(lambda: self._running == 0 or self._active() == wanted)
            if self._active() != wanted:
                self._switch(wanted)
            self._running += 1
        try:
            yield
        finally:
            with self._free:
                self._running -= 1
                self._free.notify_all()

    def _active(self) -> str:
        return self._model.active_adapter or ""

    def _switch(self, wanted: str) -> None:
        lora = self._model.lora
        change: Callable[[], None]
        if not wanted:
            change = lora.unload
        elif wanted in lora.names:
            change = lambda: lora.activate(wanted)  # noqa: E731
        else:
            change = lambda: lora.load(self._known.get(wanted, wanted), wanted)  # noqa: E731
        try:
            change()
        except (ModelError, OSError, ValueError) as error:
            known = ", ".join(self._known) or "none"
            raise GenerationError(
                f"adapter {wanted!r} cannot be used: {error}. generator.adapters names {known}; a folder will do too"
            ) from error


def action_of(request: Request) -> str | None:
    """What the decider decided on; None for a question, which nobody decided on."""
    return request.action if request.kind == "feedback" else None


def _tokens(chunk: ChunkInput) -> TorchTokens:
    assert chunk.context is not None
    assert chunk.video is not None
    return TorchTokens(torch.from_numpy(np.array(chunk.context)), torch.from_numpy(np.array(chunk.video)))


def _quantization(setting: str, device: torch.device) -> Quantization | None:
    if setting == "none":
        return None
    if setting == "int4":
        return "4bit"
    return "8bit" if device.type == "cuda" else "int8"
