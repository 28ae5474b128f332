"""VLM back end: frames into any image-text-to-text model of transformers, text streamed out.

Code that comes with a model runs only if `generator.trust_remote_code` names it with its revision. MiniCPM-o is such a
model, with its own interface; see `minicpm`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

import torch

from cornerman_common.model_location import set_threads
from cornerman_common.model_placement import load_failure, place_model
from cornerman_generator.core import distinct_frames, spread_frames
from cornerman_generator.picture_processor import load_processor, set_tiles
from cornerman_generator.protocol import TextDelta
from cornerman_generator.remote_code import code_permission
from cornerman_generator.smaller import reply_or_smaller
from cornerman_generator.spoken_prompt import spoken_prompt
from cornerman_generator.threads import in_thread
from cornerman_shared.errors import ConfigError, GenerationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cornerman_generator.protocol import Wants
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Request
    from cornerman_shared.settings.tree import GeneratorSettings


class VlmBackend(Protocol):
    """A loaded model that reads frames."""

    def reply(self, frames: list[NDArray[np.uint8]], request: Request, cancel: threading.Event) -> Iterator[TextDelta]:
        """Text about the frames, oldest first; checks `cancel` before every token."""


class VlmGenerator:
    """Answers one request at a time, in a thread.

    Args:
        backend: the loaded model.
        name: its name in messages.
        max_images: most frames of a request.
    """

    wants: Wants = "frames"

    def __init__(self, backend: VlmBackend, name: str, max_images: int = 32) -> None:
        self._backend = backend
        self.model = name
        self.placement = ""
        self._max_images = max_images
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="generate")

    @classmethod
    def load(cls, settings: GeneratorSettings) -> VlmGenerator:
        """Reads the model.

        Raises:
            ConfigError: none is named, it cannot be read, or it brings code that may not run.
        """
        if not settings.model:
            raise ConfigError("generator.model is empty; give a path or a hub name of an image-text-to-text model")
        set_threads(settings.threads)
        placed = place_model("generator", settings.model, device=settings.device, dtype=settings.dtype)
        try:
            backend = _load(settings, placed.device, placed.dtype)
        except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
            raise load_failure("generator", settings.model, error) from error
        generator = cls(backend, Path(settings.model).name, settings.max_images)
        generator.placement = placed.words
        return generator

    def generate(self, request: Request, chunks: Sequence[ChunkInput]) -> AsyncIterator[TextDelta]:
        """Streams the model's reply."""
        return in_thread(lambda cancel: self._reply(request, chunks, cancel), self._pool)

    async def close(self) -> None:
        """Ends the thread after the reply in work."""
        self._pool.shutdown(wait=False)

    def _reply(self, request: Request, chunks: Sequence[ChunkInput], cancel: threading.Event) -> Iterator[TextDelta]:
        if request.adapter:
            raise GenerationError(f"adapter {request.adapter!r}: generator.backend vlm takes none; merge it first")
        frames = distinct_frames(chunks, self._max_images)
        try:
            yield from reply_or_smaller(
                lambda n: self._backend.reply(spread_frames(frames, n), request, cancel), len(frames)
            )
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
            raise GenerationError(f"{self.model}: {error}") from error


class TransformersBackend:
    """Calls a model of `AutoModelForImageTextToText` through its processor's chat template.

    Args:
        model: the model, on its device.
        processor: of the same checkpoint.
        tiles: most parts that a picture is cut into, where the model cuts.
    """

    def __init__(self, model: Any, processor: Any, tiles: int = 1) -> None:
        self._model = model
        self._processor = processor
        self._arguments = set_tiles(processor, tiles)

    def reply(self, frames: list[NDArray[np.uint8]], request: Request, cancel: threading.Event) -> Iterator[TextDelta]:
        """Generates in a second thread, because transformers pushes pieces to a streamer."""
        began_s = time.perf_counter()
        inputs = self._processor.apply_chat_template(
            messages_for(frames, request),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **self._arguments,
        ).to(self._model.device, dtype=self._model.dtype)  # casts pixel values only, not token ids
        pieces: SimpleQueue[tuple[str, int] | BaseException | None] = SimpleQueue()
        streamer = _streamer(self._processor.tokenizer, pieces)
        n_input, prepare_s = int(inputs["input_ids"].shape[1]), time.perf_counter() - began_s

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

        # A daemon: a model that hangs must not keep the process from ending.
        thread = threading.Thread(target=generate, name="vlm", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield TextDelta(piece[0], piece[1], n_input, prepare_s=prepare_s)
        finally:
            cancel.set()  # seen before the next token
            thread.join()


def messages_for(frames: list[NDArray[np.uint8]], request: Request) -> list[dict[str, Any]]:
    """The request as transformers' chat messages."""
    content: list[dict[str, Any]] = [{"type": "image", "image": frame} for frame in frames]
    content.append({"type": "text", "text": spoken_prompt(request)})
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
    from transformers import AutoConfig, AutoModelForImageTextToText

    # A hub name is not a path: only `~` is expanded.
    path = str(Path(settings.model).expanduser()) if settings.model.startswith("~") else settings.model
    # Before transformers reads it, which would ask on the terminal.
    allowed = code_permission(path, settings.trust_remote_code)
    config = AutoConfig.from_pretrained(path, **allowed.pinned)
    if allowed.own_code and str(getattr(config, "model_type", "")).startswith("minicpm"):
        from cornerman_generator.minicpm import load_minicpm

        budget = {"image_slices": settings.image_slices, "max_input_tokens": settings.max_input_tokens}
        return load_minicpm(path, config, device, dtype, pinned=allowed.pinned, **budget)
    if settings.quantize not in ("none", "auto"):
        raise ValueError(f"generator.quantize = {settings.quantize!r} is not for vlm; name a quantized checkpoint")
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype, **allowed.pinned)
    processor = load_processor(path, config, **allowed.pinned)
    return TransformersBackend(model.to(device).eval(), processor, settings.image_slices)


def _streamer(tokenizer: Any, pieces: SimpleQueue[tuple[str, int] | BaseException | None]) -> Any:
    from transformers import TextStreamer

    class Streamer(TextStreamer):  # type: ignore[misc]
        """Puts text that can no longer change into the queue, with its number of tokens."""

        def __init__(self) -> None:
            super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
            self._new = -1  # the prompt comes first, as one value; it is not counted

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
