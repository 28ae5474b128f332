"""An endless language-model context: attention sinks first, then a window of the newest tokens.

Tokens between the two are dropped, and the kept keys are rotated to their new positions, as in StreamingLLM (Xiao et
al. 2023). Knows the engine and rotary angles, and nothing of text or video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mobile_videogpt.cache import LayerStates, causal_mask
from mobile_videogpt.errors import ReplyError

if TYPE_CHECKING:
    from mobile_videogpt.engine import LanguageEngine


def rotate(keys: Tensor, positions: Tensor, inverse_frequencies: Tensor, *, back: bool = False) -> Tensor:
    """Rotates keys [..., n, D] to `positions` [n], or `back` from them; computed in float32.

    Halves are paired as in GPT-NeoX and Qwen2: dimension i is rotated with dimension i + D/2.
    """
    angles = positions[:, None].float() * inverse_frequencies[None].float()  # [n, D/2]
    cos, sin = angles.cos(), angles.sin()
    sin = -sin if back else sin
    first, second = keys.float().chunk(2, dim=-1)
    rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return rotated.to(keys.dtype)


class RollingCache:
    """Key-value states of at most `capacity` tokens: the first `sinks`, then the newest.

    Keys are stored before rotation, so that rotating them repeatedly adds no rounding error.

    Args:
        layers: number of decoder layers.
        inverse_frequencies: the decoder's rotary frequencies [head dim / 2].
        sinks: tokens at the very beginning that are never dropped.
        capacity: tokens held at most, sinks included.
        drop: tokens dropped at once when it is full; a larger number rotates less often.

    Raises:
        ReplyError: if the numbers do not fit each other.
    """

    def __init__(self, layers: int, inverse_frequencies: Tensor, *, sinks: int, capacity: int, drop: int) -> None:
        if not 0 <= sinks < capacity or not 1 <= drop <= capacity - sinks:
            raise ReplyError(
                f"sinks={sinks}, capacity={capacity}, drop={drop} do not fit: "
                "0 <= sinks < capacity and 1 <= drop <= capacity - sinks"
            )
        self.capacity, self.sinks, self.drop = capacity, sinks, drop
        self._frequencies = inverse_frequencies
        self._raw: list[Tensor | None] = [None] * layers  # keys before rotation [1, H, n, D]
        self._rotated: list[Tensor | None] = [None] * layers
        self._values: list[Tensor | None] = [None] * layers
        self.length = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens held now, which is also the next token's position."""
        return self.length

    def make_room(self, tokens: int) -> int:
        """Drops the oldest tokens behind the sinks until `tokens` fit; returns the number dropped.

        Raises:
            ReplyError: if they can never fit.
        """
        if tokens > self.capacity - self.sinks:
            raise ReplyError(
                f"{tokens} tokens at once do not fit a window of {self.capacity - self.sinks} "
                f"({self.capacity} less {self.sinks} sinks). Feed fewer, or open a longer window."
            )
        over = self.length + tokens - self.capacity
        if over <= 0:
            return 0
        dropped = min(max(over, self.drop), self.length - self.sinks)
        self.length -= dropped
        positions = torch.arange(self.length, device=self._frequencies.device)
        for layer, raw in enumerate(self._raw):
            values = self._values[layer]
            if raw is None or values is None:
                continue
            # Raw keys are cut and rotated again from position 0, so dropped tokens leave no gap in the positions.
            kept = torch.cat((raw[:, :, : self.sinks], raw[:, :, self.sinks + dropped :]), dim=2)
            self._raw[layer] = kept
            self._rotated[layer] = rotate(kept, positions, self._frequencies)
            self._values[layer] = torch.cat((values[:, :, : self.sinks], values[:, :, self.sinks + dropped :]), dim=2)
        return dropped

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object) -> LayerStates:
        """Adds one layer's new states [1, H, n, D], keys rotated to the positions from `length` on."""
        end = self.length + key_states.shape[2]
        positions = torch.arange(self.length, end, device=key_states.device)
        raw = rotate(key_states, positions, self._frequencies, back=True)
        self._raw[layer_idx] = _joined(self._raw[layer_idx], raw)
        self._rotated[layer_idx] = rotated = _joined(self._rotated[layer_idx], key_states)
        self._values[layer_idx] = values = _joined(self._values[layer_idx], value_states)
        return rotated, values

    def advance(self, tokens: int) -> None:
        """Counts the new tokens; call it after each forward pass."""
        self.length += tokens


class RollingSession:
    """An endless context of the model: feed tokens, read logits, in constant memory.

    Not thread-safe; many sessions may share one engine.

    Args:
        engine: runs the decoder.
        inverse_frequencies: the decoder's rotary frequencies [head dim / 2].
        sinks: first tokens, which are never dropped (4 suffice, Xiao et al. 2023).
        window: tokens held at most, sinks included.
        drop: tokens dropped at once; an eighth of the window by default.
    """

    def __init__(
        self,
        engine: LanguageEngine,
        inverse_frequencies: Tensor,
        *,
        sinks: int = 4,
        window: int = 4096,
        drop: int | None = None,
    ) -> None:
        self._engine = engine
        self._cache = RollingCache(
            len(engine.decoder.layers),
            inverse_frequencies.to(engine.device),
            sinks=sinks,
            capacity=window,
            drop=max(1, (window - sinks) // 8) if drop is None else drop,
        )
        self._hidden: Tensor | None = None
        self.dropped_tokens = 0

    @property
    def length(self) -> int:
        """Tokens held now."""
        return self._cache.length

    @torch.inference_mode()
    def feed(self, embeds: Tensor) -> None:
        """Reads embeddings [1, n, D] after the tokens fed before.

        Raises:
            ReplyError: if n exceeds the window less its sinks.
        """
        embeds = embeds.to(self._engine.device, self._engine.dtype)
        new = embeds.shape[1]
        if new == 0:
            raise ReplyError("no tokens were fed; feed at least one")
        self.dropped_tokens += self._cache.make_room(new)
        past = self._cache.length
        positions = torch.arange(past, past + new, device=embeds.device)[None]
        mask = causal_mask(new, past, embeds.dtype, embeds.device)
        hidden = self._engine.forward_at(embeds, positions, mask, self._cache)
        self._cache.advance(new)
        self._hidden = hidden[0, -1]

    def feed_ids(self, ids: Sequence[int]) -> None:
        """Reads token ids; see `feed`."""
        self.feed(self._engine.embed(ids))

    def logits(self) -> Tensor:
        """Logits [V] of the next token."""
        return self._engine.logits(self._last())

    def logits_of(self, ids: Sequence[int]) -> Tensor:
        """Logits [len(ids)], float32, of chosen tokens; used for the action tokens."""
        return self._engine.logits_of(self._last(), ids)

    def _last(self) -> Tensor:
        if self._hidden is None:
            raise ReplyError("the context is empty, so there are no logits; call feed first")
        return self._hidden


def _joined(old: Tensor | None, new: Tensor) -> Tensor:
    return new if old is None else torch.cat((old, new), dim=2)
