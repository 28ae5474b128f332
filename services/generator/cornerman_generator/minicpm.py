"""MiniCPM-o and MiniCPM-V, which bring their own code and a `chat` method instead of transformers' interface.

Loading depends on three facts about the 4.5 checkpoints: the AWQ one says `modules_to_not_convert: null` although only
its language model is quantized; it computes in float16; `<think>` must not be sampled.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import torch

from cornerman_generator.protocol import TextDelta
from cornerman_generator.spoken_prompt import spoken_prompt
from cornerman_shared.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cornerman_shared.bus.messages import Request

NOT_QUANTIZED: Final = ("vpm", "resampler", "apm", "audio_projection_layer", "tts", "lm_head")
"""Parts of the model beside its language model. A width of 4304 in `vpm` is not a multiple of the group, 128."""

THINK: Final = "<think>"
THINK_ID: Final = 151_667
"""Id of `THINK` in the vocabulary of the published checkpoints."""

AWQ_PACKAGES: Final = ("gptqmodel", "optimum")


class MiniCpmBackend:
    """Calls a model's `chat(msgs=…, stream=True)`.

    Args:
        model: loaded, in evaluation mode.
        tokenizer: its own.
        image_slices: tiles that a large picture is cut into, at most; each costs 64 tokens.
        max_input_tokens: what it reads is cut off there.
    """

    def __init__(self, model: Any, tokenizer: Any, image_slices: int = 1, max_input_tokens: int = 8192) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._budget = {"max_slice_nums": image_slices, "max_inp_length": max_input_tokens}

    def reply(self, frames: list[NDArray[np.uint8]], request: Request, cancel: threading.Event) -> Iterator[TextDelta]:
        """Pieces of the model's own streamer, about frames [H, W, 3]; its tokenizer counts the tokens."""
        from PIL import Image

        sampling = request.sampling
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": [*(Image.fromarray(frame) for frame in frames), spoken_prompt(request)]}
        ]
        if request.system_prompt:
            messages.insert(0, {"role": "system", "content": [request.system_prompt]})
        arguments: dict[str, Any] = {
            "msgs": messages,
            "tokenizer": self._tokenizer,
            "sampling": sampling.temperature > 0,
            "max_new_tokens": sampling.max_new_tokens,
            **self._budget,
            "use_image_id": False,
            "enable_thinking": False,  # its thoughts would be shown as feedback
            "stream": True,
        }
        if sampling.temperature > 0:
            arguments |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.repetition_penalty != 1.0:
            arguments["repetition_penalty"] = sampling.repetition_penalty
        for text in self._model.chat(**arguments):
            if cancel.is_set():
                return
            yield TextDelta(text, len(self._tokenizer.encode(text, add_special_tokens=False)))


def load_minicpm(
    path: str,
    config: Any,
    device: torch.device,
    dtype: torch.dtype,
    *,
    pinned: dict[str, Any],
    image_slices: int = 1,
    max_input_tokens: int = 8192,
) -> MiniCpmBackend:
    """Loads the vision and language parts; speech in and out stay off.

    Args:
        path: folder or hub name.
        config: the model's.
        device: of the weights.
        dtype: to compute in; an AWQ checkpoint computes in float16.
        pinned: revision and permission, as `code_permission` gives them.
        image_slices: tiles that a large picture is cut into, at most.
        max_input_tokens: what it reads is cut off there.

    Raises:
        ConfigError: an AWQ checkpoint, and the packages of its kernels are missing.
    """
    from transformers import AutoModel, AutoTokenizer

    is_awq = quantization_method(config) == "awq"
    missing = [name for name in AWQ_PACKAGES if is_awq and importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"generator.model = {path!r} is an AWQ checkpoint, whose kernels are in {' and '.join(missing)}, not "
            "installed here: pip install 'cornerman[awq]'"
        )
    dtype = repair_quantization(config, dtype)
    for part, wanted in {"init_vision": True, "init_audio": False, "init_tts": False}.items():
        setattr(config, part, wanted)
    model = AutoModel.from_pretrained(path, config=config, dtype=dtype, **pinned)
    tokenizer = AutoTokenizer.from_pretrained(path, **pinned)
    suppress_thinking(model, tokenizer)
    return MiniCpmBackend(model.to(device).eval(), tokenizer, image_slices, max_input_tokens)


def suppress_thinking(model: Any, tokenizer: Any) -> None:
    """Keeps `<think>` from being sampled, in the generation settings of the model and of its language model."""
    known = tokenizer.convert_tokens_to_ids(THINK)
    think = known if isinstance(known, int) and known != tokenizer.unk_token_id else THINK_ID
    for part in (model, getattr(model, "llm", None)):
        settings = getattr(part, "generation_config", None)
        if settings is not None:
            settings.suppress_tokens = sorted({*(settings.suppress_tokens or ()), think})


def quantization_method(config: Any) -> str:
    """Name of the method by which a checkpoint is quantized, in small letters; empty = it is not."""
    found = getattr(config, "quantization_config", None) or {}
    values = found if isinstance(found, dict) else vars(found)
    method = values.get("quant_method", "")
    return str(getattr(method, "value", method)).lower()


def repair_quantization(config: Any, dtype: torch.dtype) -> torch.dtype:
    """Repairs an AWQ config so that only the language model is quantized; returns the dtype to compute in."""
    quantization = getattr(config, "quantization_config", None)
    if quantization is None:
        return dtype
    values = quantization if isinstance(quantization, dict) else vars(quantization)
    if quantization_method(config) != "awq":
        return dtype
    if not values.get("modules_to_not_convert"):
        values["modules_to_not_convert"] = list(NOT_QUANTIZED)
    return torch.float16
