"""Smaller weights on a CPU."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from mobile_videogpt import quantize as quantize_module
from mobile_videogpt.errors import CheckpointError, QuantizationError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.quantize import check_quantization, quantize_language
from mobile_videogpt.tokenizer import tiny_tokenizer
from tests.unit.model.builders import language_model


def test_unsupported_quantization_fails_before_loading(tmp_path: Path) -> None:
    for kind in ("4bit", "8bit"):
        with pytest.raises(QuantizationError, match=f"'{kind}' is done by bitsandbytes on CUDA.*use quantize='int8'"):
            MobileVideoGPT.from_pretrained(tmp_path, quantize=kind, device="cpu")
    with pytest.raises(QuantizationError, match="'3bit'; use one of 4bit, 8bit, int8"):
        MobileVideoGPT.from_pretrained(tmp_path, quantize="3bit", device="cpu")
    with pytest.raises(QuantizationError, match="for the CPU, not cuda"):
        check_quantization("int8", torch.device("cuda"))


def test_missing_bitsandbytes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(QuantizationError, match=r"not installed: pip install 'cornerman\[quantize\]'"):
        check_quantization("4bit", torch.device("cuda"))


def test_int8_is_close_and_not_saved(text_model: MobileVideoGPT, tmp_path: Path) -> None:
    model = copy.copy(text_model)
    model.save_pretrained(tmp_path)
    small = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu", quantize="int8")
    language = small.require_language()
    kinds = {type(m) for m in language.modules() if isinstance(m, nn.Linear)}
    assert nn.Linear not in kinds
    prompt = text_model.assemble([], "How is it?")
    with torch.inference_mode():
        exact = text_model.require_language()(inputs_embeds=prompt).logits[0, -1]
        close = language(inputs_embeds=prompt).logits[0, -1]
    assert torch.nn.functional.cosine_similarity(exact, close, dim=0) > 0.98
    assert not torch.equal(exact, close)
    assert sum(delta.n_tokens for delta in small.generate([], "How is it?", max_new_tokens=8)) > 2
    assert small.action_logits([], "?").shape == (3,)
    with pytest.raises(CheckpointError, match="quantized"):
        small.save_pretrained(tmp_path / "again")


def test_int8_refuses_two_adapters(tmp_path: Path) -> None:
    with pytest.raises(QuantizationError, match="2 were given"):
        model = language_model(400)
        model.tokenizer = tiny_tokenizer()
        model.save_pretrained(tmp_path)
        MobileVideoGPT.from_pretrained(
            tmp_path, device="cpu", part="language", quantize="int8", lora={"a": "x", "b": "y"}
        )


def test_unmerged_adapter_is_refused(text_model: MobileVideoGPT) -> None:
    language = copy.deepcopy(text_model.require_language())
    language.lora_probe = nn.Parameter(torch.zeros(1))
    with pytest.raises(QuantizationError, match="merge"):
        quantize_language(language, "int8", torch.device("cpu"))


def test_bfloat16_generates_on_cpu(text_model: MobileVideoGPT, tmp_path: Path) -> None:
    text_model.save_pretrained(tmp_path)
    half = MobileVideoGPT.from_pretrained(tmp_path, "language", device="cpu", dtype=torch.bfloat16)
    assert sum(delta.n_tokens for delta in half.generate([], "How is it?", max_new_tokens=8)) > 2
