"""Names that transformers changed: both spellings work, the installed one without a warning."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Model

from mobile_videogpt.cache import KeyValueCache
from mobile_videogpt.engine import LanguageEngine
from mobile_videogpt.transformers_api import cache_argument, clip_transformer


class _Recorded(nn.Module):
    """A real decoder behind another version's signature; records its cache."""

    def __init__(self, decoder: Qwen2Model) -> None:
        super().__init__()
        self.decoder = decoder
        self.embed_tokens, self.layers, self.norm = decoder.embed_tokens, decoder.layers, decoder.norm
        self.cache: object = None

    def answer(self, cache: object, **inputs: Any) -> Any:
        self.cache = cache
        return self.decoder(**inputs, **{cache_argument(Qwen2Model): cache})


class BeforeRename(_Recorded):
    """transformers up to 5.23."""

    def forward(self, inputs_embeds: Tensor, past_key_values: object = None, **inputs: Any) -> Any:
        return self.answer(past_key_values, inputs_embeds=inputs_embeds, **inputs)


class AfterRename(_Recorded):
    """transformers from 5.24 on."""

    def forward(self, inputs_embeds: Tensor, cache: object = None, **inputs: Any) -> Any:
        return self.answer(cache, inputs_embeds=inputs_embeds, **inputs)


class Unknown(nn.Module):
    """A signature without a known name."""

    def forward(self, inputs_embeds: Tensor, memory: object = None) -> None: ...


@pytest.fixture
def language() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    return Qwen2ForCausalLM(config).eval()


@pytest.mark.parametrize("version", [BeforeRename, AfterRename])
def test_cache_reaches_either_signature(language: Qwen2ForCausalLM, version: type[_Recorded]) -> None:
    engine = LanguageEngine(language)
    expected = engine.extend(KeyValueCache(2), engine.embed([1, 2, 3]))
    language.model = recorded = version(language.model)
    cache = KeyValueCache(2)
    hidden = engine.extend(cache, engine.embed([1, 2, 3]))
    assert recorded.cache is cache
    assert cache.length == 3
    torch.testing.assert_close(hidden, expected)


def test_installed_transformers_gives_no_warning(language: Qwen2ForCausalLM, recwarn: pytest.WarningsRecorder) -> None:
    engine = LanguageEngine(language)
    cache = KeyValueCache(2)
    engine.extend(cache, engine.embed([1, 2]))
    engine.extend(cache, engine.embed([3]))
    assert [str(w.message) for w in recwarn] == []


def test_unknown_signature_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Unknown.forward takes neither .*memory.*constraints\.txt"):
        cache_argument(Unknown)


def test_clip_transformer_is_found_when_nested() -> None:
    flat, nested = nn.Module(), nn.Module()
    nested.vision_model = flat
    assert clip_transformer(nested) is flat  # type: ignore[arg-type]
    assert clip_transformer(flat) is flat  # type: ignore[arg-type]
