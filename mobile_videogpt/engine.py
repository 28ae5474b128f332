"""Runs the language model: embeddings in, logits of the last position out.

Knows the decoder, its head and the caches, and nothing of text, prompts, sampling or video. All calls run under
`torch.inference_mode` and are thread-safe.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from mobile_videogpt.cache import BatchCache, KeyValueCache, PrefixStore, causal_mask
from mobile_videogpt.transformers_api import cache_argument

PREFIX_BUDGET_BYTES = 96 * 1024 * 1024


class Decoder(Protocol):
    """The part of a transformers `Qwen2Model` that the engine uses."""

    embed_tokens: nn.Module
    layers: nn.ModuleList
    norm: nn.Module

    def __call__(self, **inputs: object) -> DecoderOutput: ...


class CausalLanguageModel(Protocol):
    """The part of a transformers `Qwen2ForCausalLM` that the engine uses."""

    model: Decoder
    lm_head: nn.Module


class DecoderOutput(Protocol):
    """The part of the decoder's output that is read."""

    last_hidden_state: Tensor


class StepCache(Protocol):
    """A cache as a forward pass sees it."""

    def get_seq_length(self, layer_idx: int = 0) -> int: ...


@dataclass(frozen=True, slots=True)
class PromptSegment:
    """A named piece of a prompt. Two segments with one name must hold the same embeddings [1, n, D]."""

    name: Hashable
    embeds: Tensor


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A prefilled prompt: its states, the last position's hidden state [D], and its tokens in all and reused."""

    cache: KeyValueCache
    hidden: Tensor
    prompt_tokens: int
    reused_tokens: int


class LanguageEngine:
    """Forward passes over a decoder and its head.

    Args:
        language: a transformers `Qwen2ForCausalLM` in eval mode. Its layers are looked up at each call, because
            adapters and quantization replace them.
        prefix_budget_bytes: memory for states of prompt prefixes; 0 keeps none.
    """

    def __init__(self, language: CausalLanguageModel, prefix_budget_bytes: int = PREFIX_BUDGET_BYTES) -> None:
        self._language = language
        self.prefixes = PrefixStore(prefix_budget_bytes)

    @property
    def decoder(self) -> Decoder:
        """The layers without the head."""
        return self._language.model

    @property
    def head(self) -> nn.Module:
        """Maps a hidden state to logits; tied to the embedding or not."""
        return self._language.lm_head

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self._scale.shape[0]

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self._scale.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype hidden states are computed in."""
        return self._scale.dtype

    @property
    def _scale(self) -> Tensor:
        """The last norm's weight [D]: a tensor that neither adapters nor quantization touch."""
        weight = self.decoder.norm.weight
        assert isinstance(weight, Tensor)
        return weight

    @torch.inference_mode()
    def embed(self, ids: Sequence[int]) -> Tensor:
        """Embeddings [1, n, D] of token ids."""
        return self._embedded([list(ids)])

    @torch.inference_mode()
    def prefill(self, segments: Sequence[PromptSegment], reserve_tokens: int = 0) -> Prefilled:
        """Reads a prompt; leading segments that were read before come from the prefix store.

        Args:
            segments: the prompt in pieces; every piece but the last may be kept for later prompts.
            reserve_tokens: tokens to allocate for the reply.
        """
        names = [segment.name for segment in segments]
        # The last segment is never looked up: at least one position must be read to have a hidden state.
        total = sum(segment.embeds.shape[1] for segment in segments)
        known, states = self.prefixes.longest(names[:-1])
        cache = KeyValueCache(len(self.decoder.layers), reserve_tokens=total + reserve_tokens)
        if known:
            cache.seed(states)
        reused = cache.length
        # [1, tokens that are not reused, D]
        embeds = torch.cat([s.embeds.to(self.device, self.dtype) for s in segments[known:]], dim=1)
        hidden = self.extend(cache, embeds)
        end = reused
        for count in range(known + 1, len(segments)):
            end += segments[count - 1].embeds.shape[1]
            self.prefixes.put(names[:count], cache.states(end))
        return Prefilled(cache, hidden, total, reused)

    @torch.inference_mode()
    def extend(self, cache: KeyValueCache, embeds: Tensor) -> Tensor:
        """Reads embeds [1, n, D] after the cached tokens; returns the last position's hidden state [D]."""
        new, past = embeds.shape[1], cache.length
        positions = torch.arange(past, past + new, device=embeds.device)[None]
        hidden = self._forward(embeds, positions, causal_mask(new, past, self.dtype, embeds.device), cache)
        cache.advance(new)
        return hidden[0, -1]

    @torch.inference_mode()
    def step(self, cache: BatchCache, ids: Sequence[int]) -> Tensor:
        """Reads one token for every row; returns the hidden states [rows, D]."""
        embeds = self._embedded([[i] for i in ids])
        positions = torch.tensor(cache.lengths, device=self.device)[:, None]
        hidden = self._forward(embeds, positions, cache.mask(self.dtype, self.device), cache)
        cache.advance()
        return hidden[:, -1]

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Logits [rows, V] of hidden states [rows, D], or [V] of one [D]."""
        rows = hidden if hidden.dim() == 2 else hidden[None]  # int8 layers take two dimensions or more
        logits: Tensor = self.head(rows)
        return logits if hidden.dim() == 2 else logits[0]

    @torch.inference_mode()
    def logits_of(self, hidden: Tensor, ids: Sequence[int]) -> Tensor:
        """Logits [len(ids)], float32, of chosen tokens, from one hidden state [D]."""
        # Only the asked rows of the head, where they are plain floats: 3 instead of 151936.
        rows = getattr(self.head, "weight", None)
        index = torch.tensor(list(ids), device=hidden.device)
        if isinstance(rows, Tensor) and rows.is_floating_point() and type(self.head) is nn.Linear:
            return (rows[index] @ hidden).float()
        return self.logits(hidden)[index].float()

    @torch.inference_mode()
    def forward_at(self, embeds: Tensor, positions: Tensor, mask: Tensor | None, cache: StepCache) -> Tensor:
        """Runs a forward pass at given positions [1, n] with a given mask; returns the hidden states [1, n, D]."""
        return self._forward(embeds, positions, mask, cache)

    def _embedded(self, ids: list[list[int]]) -> Tensor:
        embeds: Tensor = self.decoder.embed_tokens(torch.tensor(ids, dtype=torch.long, device=self.device))
        return embeds

    def _forward(self, embeds: Tensor, positions: Tensor, mask: Tensor | None, cache: StepCache) -> Tensor:
        decoder = self.decoder
        output = decoder(
            inputs_embeds=embeds,
            position_ids=positions,
            # A ready mask for each kind of layer keeps transformers from asking the cache how to build one.
            attention_mask={"full_attention": mask, "sliding_attention": mask},
            use_cache=True,
            **{cache_argument(type(decoder)): cache},
        )
        return output.last_hidden_state
