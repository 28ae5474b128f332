"""Endless contexts: dropped tokens, rotated keys, the logits of recomputation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm, apply_rotary_pos_emb, repeat_kv

from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.errors import ReplyError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.rolling import RollingCache, rotate

WIDTH = 128


def embeds(seed: int, tokens: int) -> Tensor:
    return torch.randn(1, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


class Recomputed:
    """The reference: one layer after the other by hand, raw keys kept, every position computed afresh."""

    def __init__(self, model: MobileVideoGPT, sinks: int, capacity: int, drop: int) -> None:
        self.language = model.require_language()
        self.sinks, self.capacity, self.drop = sinks, capacity, drop
        depth = model.config.language.depth
        self.keys = [torch.zeros(1, 2, 0, 32) for _ in range(depth)]
        self.values = [torch.zeros(1, 2, 0, 32) for _ in range(depth)]

    def feed(self, hidden: Tensor) -> Tensor:
        new, held = hidden.shape[1], self.keys[0].shape[2]
        over = held + new - self.capacity
        if over > 0:
            gone = min(max(over, self.drop), held - self.sinks)
            keep = [n for n in range(held) if not self.sinks <= n < self.sinks + gone]
            self.keys = [k[:, :, keep] for k in self.keys]
            self.values = [v[:, :, keep] for v in self.values]
            held = len(keep)
        decoder = self.language.model
        cos, sin = decoder.rotary_emb(hidden, torch.arange(held + new)[None])
        seen = torch.ones(new, held + new).tril(held).bool()
        for n, layer in enumerate(decoder.layers):
            attention = layer.self_attn
            normed = layer.input_layernorm(hidden)
            q, k, v = (
                p(normed).view(1, new, -1, 32).transpose(1, 2)
                for p in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            self.keys[n] = torch.cat((self.keys[n], k), dim=2)
            self.values[n] = torch.cat((self.values[n], v), dim=2)
            q, _ = apply_rotary_pos_emb(q, q, cos[:, held:], sin[:, held:])
            _, k = apply_rotary_pos_emb(self.keys[n], self.keys[n], cos, sin)
            scores = q @ repeat_kv(k, 2).transpose(2, 3) / 32**0.5
            weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
            mixed = (weights @ repeat_kv(self.values[n], 2)).transpose(1, 2).reshape(1, new, -1)
            hidden = hidden + attention.o_proj(mixed)
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        assert isinstance(decoder.norm, Qwen2RMSNorm)
        return self.language.lm_head(decoder.norm(hidden))[0, -1]


def small_text_model(depth: int = 3) -> MobileVideoGPT:
    from dataclasses import replace

    from mobile_videogpt.tokenizer import tiny_tokenizer

    tiny = MobileVideoGPTConfig.tiny()
    torch.manual_seed(5)
    language = replace(tiny.language, vocab_size=384, depth=depth)
    model = MobileVideoGPT(replace(tiny, language=language), "language").eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    model.tokenizer = tiny_tokenizer()
    return model


MODEL = small_text_model()


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 4), st.integers(1, 6))
def test_logits_equal_recomputation(sizes: list[int], sinks: int, drop: int) -> None:
    model = MODEL
    session = model.rolling_session(sinks=sinks, window=20, drop=drop)
    reference = Recomputed(model, sinks, 20, drop)
    with torch.inference_mode():
        for n, size in enumerate(sizes):
            session.feed(embeds(n, size))
            assert torch.allclose(session.logits(), reference.feed(embeds(n, size)), atol=2e-4)
    assert session.length == reference.keys[0].shape[2] <= 20
    assert session.length + session.dropped_tokens == sum(sizes)


def test_one_layer_equals_kept_tokens_run() -> None:
    """Keys of the first layer depend on nothing before them, so here the whole model can be the reference."""
    model = small_text_model(depth=1)
    tokens = embeds(0, 60)
    session = model.rolling_session(sinks=3, window=16, drop=4)
    kept: list[int] = []
    for n in range(60):
        before = session.dropped_tokens
        session.feed(tokens[:, n : n + 1])
        gone = session.dropped_tokens - before
        kept = [*kept[:3], *kept[3 + gone :], n]
        with torch.inference_mode():
            fresh = model.require_language()(inputs_embeds=tokens[:, kept]).logits[0, -1]
        assert torch.allclose(session.logits(), fresh, atol=1e-4), n
    assert kept[:3] == [0, 1, 2]
    assert len(kept) <= 16
    assert session.dropped_tokens >= 44


def test_undropped_context_equals_plain_model(text_model: MobileVideoGPT) -> None:
    session = text_model.rolling_session(sinks=2, window=64)
    session.feed(embeds(1, 30))
    session.feed(embeds(2, 7))
    with torch.inference_mode():
        both = torch.cat((embeds(1, 30), embeds(2, 7)), dim=1)
        plain = text_model.require_language()(inputs_embeds=both).logits[0, -1]
    assert torch.allclose(session.logits(), plain, atol=1e-4)
    ids = text_model.text_generator.action_ids()
    assert torch.allclose(session.logits_of(ids), plain[ids], atol=1e-4)


def test_repeated_rotation_adds_no_error() -> None:
    frequencies = 1.0 / 1e6 ** (torch.arange(0, 32, 2) / 32)
    cache = RollingCache(1, frequencies, sinks=1, capacity=8, drop=1)
    first = torch.randn(1, 2, 1, 32)
    cache.update(first, first, 0)
    cache.advance(1)
    for n in range(5000):
        cache.make_room(1)
        key = torch.full((1, 2, 1, 32), float(n % 7))
        turned = rotate(key, torch.tensor([cache.length]), frequencies)
        keys, _ = cache.update(turned, key, 0)
        cache.advance(1)
    assert torch.allclose(keys[:, :, :1], first, atol=1e-6)  # the sink never moved from position 0
    newest = torch.full((1, 2, 1, 32), float(4998 % 7))
    assert torch.allclose(keys[:, :, -2:-1], rotate(newest, torch.tensor([6]), frequencies), atol=1e-5)


def test_two_sessions_are_independent(text_model: MobileVideoGPT) -> None:
    one, two = text_model.rolling_session(window=32), text_model.rolling_session(window=32)
    one.feed(embeds(1, 9))
    alone = one.logits()
    two.feed(embeds(2, 9))
    assert torch.equal(one.logits(), alone)
    assert not torch.allclose(two.logits(), alone, atol=1e-2)


def test_wrong_use_is_refused(text_model: MobileVideoGPT) -> None:
    session = text_model.rolling_session(sinks=4, window=16)
    with pytest.raises(ReplyError, match="the context is empty"):
        session.logits()
    with pytest.raises(ReplyError, match="13 tokens at once do not fit a window of 12"):
        session.feed(embeds(0, 13))
    with pytest.raises(ReplyError, match="feed at least one"):
        session.feed(embeds(0, 0))
    with pytest.raises(ReplyError, match="sinks=16, capacity=16"):
        text_model.rolling_session(sinks=16, window=16)
