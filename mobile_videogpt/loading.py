"""Loads a model for use: reads the checkpoint, then device, action tokens, adapters and quantization.

It imports the hub client and PEFT, so `MobileVideoGPT.from_pretrained` imports it on its first call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from mobile_videogpt import checkpoint
from mobile_videogpt.checkpoint import ModelT
from mobile_videogpt.errors import QuantizationError
from mobile_videogpt.hub import resolve
from mobile_videogpt.names import Part
from mobile_videogpt.quantize import Quantization, check_quantization, quantize_language
from mobile_videogpt.towers import TowerSources
from mobile_videogpt.vocabulary import add_action_tokens

if TYPE_CHECKING:
    from mobile_videogpt.config import MobileVideoGPTConfig
    from mobile_videogpt.network import VideoLanguageNetwork


class Adapters(Protocol):
    """The operations on a model's adapters that loading needs."""

    def load(self, path_or_name: str | Path, name: str = "default") -> None:
        """Loads an adapter and makes it active."""

    def merge(self) -> None:
        """Folds the active adapter into the weights."""


def from_pretrained(
    build: Callable[[MobileVideoGPTConfig, Part], ModelT],
    adapters_of: Callable[[ModelT], Adapters],
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
) -> ModelT:
    """Loads a checkpoint into the model that `build` makes; see `MobileVideoGPT.from_pretrained`.

    Args:
        build: makes the model; called once.
        adapters_of: returns the model's adapters; called only if `lora` is given, because it imports PEFT.

    Raises:
        CheckpointError, AdapterError, QuantizationError: as `MobileVideoGPT.from_pretrained`.
    """
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    # Before anything is read, so that an impossible request fails at once.
    check_quantization(quantize, target)
    model = checkpoint.read(
        build,
        resolve(path_or_name, revision=revision, offline=offline),
        part,
        dtype or default_dtype(target),
        TowerSources(video_tower, image_tower, revision=None, offline=offline),
    )
    if action_tokens and model.tokenizer is not None and model.language is not None:
        model.tokenizer = add_action_tokens(model, model.tokenizer)
    if system_prompt is not None:
        model.config = replace(model.config, system_prompt=system_prompt)
    finish(model, lambda: adapters_of(model), target, lora, quantize)
    return model


def default_dtype(device: torch.device) -> torch.dtype:
    """float32 on a CPU; on a GPU bfloat16, or float16 where that is not supported."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32


def finish(
    model: VideoLanguageNetwork,
    adapters: Callable[[], Adapters],
    device: torch.device,
    lora: str | Path | Mapping[str, str | Path] | None = None,
    quantize: Quantization | None = None,
) -> None:
    """Moves a model to its device, then applies adapters and quantization.

    Their order depends on the kind: layers of bitsandbytes carry adapters, torch's int8 layers do not, so there the
    adapter is merged first.

    Raises:
        AdapterError, QuantizationError: as `MobileVideoGPT.from_pretrained`.
    """
    wanted = lora if isinstance(lora, Mapping) else {"default": lora} if lora is not None else {}
    smaller = quantize if model.language is not None else None
    if smaller == "int8" and len(wanted) > 1:
        raise QuantizationError(
            f"int8 layers carry no adapters, so one is merged before, and {len(wanted)} were given; "
            "pass one, or use dtype=torch.bfloat16"
        )
    if smaller in ("4bit", "8bit") and model.language is not None:
        # Layer by layer onto the device, which never holds the whole weights.
        quantize_language(model.language, smaller, device)
    model.to(device)
    for name, source in wanted.items():
        adapters().load(source, name)
    if smaller == "int8" and model.language is not None:
        if wanted:
            adapters().merge()
        quantize_language(model.language, smaller, device)
