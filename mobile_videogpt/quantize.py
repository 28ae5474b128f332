"""Quantizes the language half: bitsandbytes on CUDA, dynamic int8 on a CPU.

The vision half is not quantized: its scan and convolutions gain nothing. Embeddings keep their dtype.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import warnings
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import nn

from mobile_videogpt.errors import QuantizationError

if TYPE_CHECKING:
    from transformers import Qwen2ForCausalLM

Quantization = Literal["4bit", "8bit", "int8"]


def check_quantization(kind: str | None, device: torch.device) -> None:
    """Checks before loading that this machine supports a kind of quantization.

    Raises:
        QuantizationError: on an unknown or unsupported kind.
    """
    if kind is None:
        return
    if kind not in get_args(Quantization):
        raise QuantizationError(f"quantize is {kind!r}; use one of {', '.join(get_args(Quantization))} or None")
    if kind == "int8":
        if device.type != "cpu":
            raise QuantizationError(f"quantize='int8' is for the CPU, not {device}; use '8bit' or '4bit' on CUDA")
        return
    if device.type != "cuda":
        raise QuantizationError(
            f"quantize={kind!r} is done by bitsandbytes on CUDA, and the device is {device}; "
            "on a CPU use quantize='int8', or dtype=torch.bfloat16"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise QuantizationError(
            f"quantize={kind!r} needs bitsandbytes, which is not installed: pip install 'cornerman[quantize]'"
        )


def quantize_language(language: Qwen2ForCausalLM, kind: Quantization, device: torch.device) -> None:
    """Replaces the linear layers in place; with "int8" also the head, which reads as much as all layers.

    Merge LoRA adapters first: their layers cannot be replaced.

    Raises:
        QuantizationError: as `check_quantization`, and with an adapter that is not merged.
    """
    check_quantization(kind, device)
    if any("lora_" in name for name, _ in language.named_parameters()):
        raise QuantizationError("an adapter is loaded; call model.lora.merge() first, or load without quantize")
    for parent in list(language.model.layers.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:  # not a subclass: those are quantized already
                setattr(parent, name, _smaller(child, kind, device))
    if kind == "int8":
        language.lm_head = _smaller(language.lm_head, kind, device)


def _smaller(layer: nn.Linear, kind: Quantization, device: torch.device) -> nn.Module:
    return _int8(layer) if kind == "int8" else _bitsandbytes(layer, kind, device)


def _int8(layer: nn.Linear) -> nn.Module:
    """A linear layer with int8 weights per output row; activations are quantized at each call."""
    source = copy.deepcopy(layer).float()
    with warnings.catch_warnings():
        # torch warns that this module moves to torchao; until then torch itself ships it.
        warnings.simplefilter("ignore")
        source.qconfig = torch.ao.quantization.per_channel_dynamic_qconfig  # type: ignore[assignment]
        small: nn.Module = torch.ao.nn.quantized.dynamic.Linear.from_float(source)  # type: ignore[no-untyped-call]
    return small


def _bitsandbytes(layer: nn.Linear, kind: Quantization, device: torch.device) -> nn.Module:
    bnb = importlib.import_module("bitsandbytes")
    bias = layer.bias is not None
    small: nn.Module
    if kind == "4bit":
        small = bnb.nn.Linear4bit(
            layer.in_features,
            layer.out_features,
            bias=bias,
            compute_dtype=layer.weight.dtype,
            quant_type="nf4",
        )
        weight = bnb.nn.Params4bit(layer.weight.data.cpu(), requires_grad=False, quant_type="nf4")
    else:
        small = bnb.nn.Linear8bitLt(layer.in_features, layer.out_features, bias=bias, has_fp16_weights=False)
        weight = bnb.nn.Int8Params(layer.weight.data.cpu(), requires_grad=False, has_fp16_weights=False)
    small.weight = weight
    if bias:
        small.bias = nn.Parameter(layer.bias.data, requires_grad=False)
    return small.to(device)
