"""Frames into any image-text-to-text model that transformers knows, text streamed out.

Code that comes with a model runs only when `generator.trust_remote_code` says so; MiniCPM-o is such a model and has
an
interface of its own, see `minicpm`.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cornerman_common.model_location import set_threads, torch_device, torch_dtype
from cornerman_generator.core import ChunkInput, TextDelta, Wants, distinct_frames
from cornerman_generator.threads import in_thread
from cornerman_shared.bus.messages import Request
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.tree import GeneratorSettings

MAX_IMAGES = 8


class VlmBackend(Protocol):
    """A loaded model that looks at frames."""

    def reply(self, frames: list[NDArray[np.uint8]], request: Request, cancel: threading.Event) -> Iterator[TextDelta]:
        """Text about the frames, oldest first; checks `cancel` before every token."""


class VlmGenerator:
    """Answers one request at a time, in a thread.

    Args:
        talker: the model.
        name: what it is called in messages.
    """

    wants: Wants = "frames"

    def __init__(self, talker: VlmBackend, name: str) -> None:
        self._talker = talker
        self.model = name
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="generate")

    @classmethod
    def load(cls, settings: GeneratorSettings) -> VlmGenerator:
        """Reads the model.

        Raises:
            ConfigError: none is named, it cannot be read, or it brings code and that is not allowed.
        """
        if not settings.model:
            raise ConfigError("generator.model is empty; give a path or a hub name of an image-text-to-text model")
        set_threads(settings.threads)
        device = torch_device("generator.device", settings.device)
        dtype = torch_dtype(settings.dtype, device)
        try:
            talker = _load(settings, device, dtype)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise ConfigError(f"generator.model = {settings.model!r} cannot be loaded: {error}") from error
        return cls(talker, Path(settings.model).name)

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """Streams the model's reply."""
        return in_thread(lambda cancel: self._reply(request, chunks, cancel), self._pool)

    async def close(self) -> None:
        """Lets the thread go."""
        self._pool.shutdown(wait=False)

    def _reply(self, request: Request, chunks: Sequence[ChunkInput], cancel: threading.Event) -> Iterator[TextDelta]:
        if request.adapter:
            raise GenerationError(f"adapter {request.adapter!r}: generator.backend vlm takes none; merge it first")
        frames = distinct_frames(chunks, MAX_IMAGES)
        try:
            yield from self._talker.reply(frames, request, cancel)
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
            raise GenerationError(f"{self.model}: {error}") from error


class TransformersBackend:
    """A model of `AutoModelForImageTextToText` with its processor's chat template."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor

    def reply(self, frames: list[NDArray[np.uint8]], request: Request, cancel: threading.Event) -> Iterator[TextDelta]:
        """Generates in a second thread, so that each piece can be handed on as it comes."""
        inputs = self._processor.apply_chat_template(
            messages_for(frames, request),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device, dtype=self._model.dtype)
        pieces: SimpleQueue[tuple[str, int] | BaseException | None] = SimpleQueue()
        streamer = _streamer(self._processor.tokenizer, pieces)
        n_input = int(inputs["input_ids"].shape[1])

        def generate() -> None:
            try:
                with torch.inference_mode():
                    self._model.generate(
                        **inputs,
                        **sampling_arguments(request),
                        streamer=streamer,
                        stopping_criteria=[_when_cancelled(cancel)],
                    )
                pieces.put(None)
            except BaseException as error:
                pieces.put(error)

        thread = threading.Thread(target=generate, name="vlm", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield TextDelta(piece[0], piece[1], n_input)
        finally:
            cancel.set()
            thread.join()


def messages_for(frames: list[NDArray[np.uint8]], request: Request) -> list[dict[str, Any]]:
    """The request as transformers' chat messages."""
    content: list[dict[str, Any]] = [{"type": "image", "image": frame} for frame in frames]
    content.append({"type": "text", "text": request.prompt})
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if request.system_prompt:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": request.system_prompt}]})
    return messages


def sampling_arguments(request: Request) -> dict[str, Any]:
    """`generate`'s arguments; temperature 0 is greedy."""
    sampling = request.sampling
    arguments: dict[str, Any] = {
        "max_new_tokens": sampling.max_new_tokens,
        "repetition_penalty": sampling.repetition_penalty,
        "do_sample": sampling.temperature > 0,
    }
    if sampling.temperature > 0:
        arguments |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
    return arguments


def _load(settings: GeneratorSettings, device: torch.device, dtype: torch.dtype) -> VlmBackend:
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    trust = settings.trust_remote_code
    path = str(Path(settings.model).expanduser()) if settings.model.startswith("~") else settings.model
    config = AutoConfig.from_pretrained(path, trust_remote_code=trust)
    if str(getattr(config, "model_type", "")).startswith("minicpm"):
        from cornerman_generator.minicpm import load_minicpm

        return load_minicpm(path, config, device, dtype, trust_remote_code=trust)
    if settings.quantize != "none":
        raise ValueError(f"generator.quantize = {settings.quantize!r} is not for vlm; name a quantized checkpoint")
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype, trust_remote_code=trust)
    processor = AutoProcessor.from_pretrained(path, trust_remote_code=trust)
    return TransformersBackend(model.to(device).eval(), processor)


def _streamer(tokenizer: Any, pieces: SimpleQueue[tuple[str, int] | BaseException | None]) -> Any:
    from transformers import TextStreamer

    class Streamer(TextStreamer):  # type: ignore[misc]
        """Hands on text that can no longer change, with the number of tokens it took."""

        def __init__(self) -> None:
            super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
            self._new = -1  # the prompt comes first, as one value

        def put(self, value: Any) -> None:
            self._new += 1
            super().put(value)

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                pieces.put((text, self._new))
                self._new = 0

    return Streamer()


def _when_cancelled(cancel: threading.Event) -> Any:
    from transformers import StoppingCriteria

    class Cancelled(StoppingCriteria):  # type: ignore[misc]
        """Ends every sequence once the request is cancelled."""

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
            return torch.full((input_ids.shape[0],), cancel.is_set(), device=input_ids.device)

    return Cancelled()
