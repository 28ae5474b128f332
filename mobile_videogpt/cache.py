"""Key-value caches of the language model: one request, many requests in one batch, a kept prompt prefix.

A transformers Qwen2 calls only `update` and `get_seq_length` of a cache when mask and positions are given. Knows
nothing of tokens, prompts or sampling.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

LayerStates = tuple[Tensor, Tensor]  # keys, values [rows, kv heads, tokens, head dim]
GROWTH_TOKENS = 256


class KeyValueCache:
    """Key-value states of one request; grows in steps, so that a decoded token copies only itself.

    Args:
        layers: number of decoder layers.
        reserve_tokens: tokens to allocate at once; beyond them it grows by `GROWTH_TOKENS`.
    """

    def __init__(self, layers: int, reserve_tokens: int = 0) -> None:
        self._states: list[LayerStates | None] = [None] * layers
        self._reserve = reserve_tokens
        self.length = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens held; the same for every layer between two forward passes."""
        return self.length

    def seed(self, states: Sequence[LayerStates]) -> None:
        """Starts from a copy of states [1, H, n, D] that an earlier request left."""
        for layer, (keys, values) in enumerate(states):
            self._write(layer, keys, values)
        self.length = states[0][0].shape[2]

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object) -> LayerStates:
        """Adds one layer's new states [1, H, n, D] and returns all of that layer's."""
        self._write(layer_idx, key_states, value_states)
        return self._views(layer_idx, self.length + key_states.shape[2])

    def advance(self, tokens: int) -> None:
        """Counts the new tokens; call it after each forward pass, when every layer is updated."""
        self.length += tokens

    def states(self, tokens: int | None = None) -> list[LayerStates]:
        """Views of the first `tokens` tokens of every layer."""
        end = self.length if tokens is None else tokens
        return [self._views(layer, end) for layer in range(len(self._states))]

    def _views(self, layer: int, end: int) -> LayerStates:
        keys, values = self._at(layer)
        return keys[:, :, :end], values[:, :, :end]

    def _at(self, layer: int) -> LayerStates:
        state = self._states[layer]
        if state is None:
            raise RuntimeError(f"layer {layer} of the cache was read before anything was written to it")
        return state

    def _write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        # `length` moves only in `advance`, so all layers of one pass write to the same columns.
        start, end = self.length, self.length + keys.shape[2]
        state = self._states[layer]
        if state is None or state[0].shape[2] < end:
            room = max(end, self._reserve) if state is None else end + GROWTH_TOKENS
            self._states[layer] = state = (_grown(state, 0, keys, room), _grown(state, 1, values, room))
        state[0][:, :, start:end] = keys
        state[1][:, :, start:end] = values


class BatchCache:
    """Key-value states of many requests of different lengths, one decoded token each per step.

    Row r holds `lengths[r]` tokens at the front; the columns behind them are masked. Rows join after their own
    prefill and leave when their reply ends, so short replies do not wait for long ones.
    """

    def __init__(self, layers: int) -> None:
        self._layers = layers
        self._states: list[LayerStates] = []
        self.lengths: list[int] = []

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens of the longest row."""
        return max(self.lengths, default=0)

    def join(self, cache: KeyValueCache) -> None:
        """Appends the states of a prefilled request as the last row."""
        room = max(self._room(), cache.length + GROWTH_TOKENS)
        joined = []
        for layer, (keys, values) in enumerate(cache.states()):
            old = self._states[layer] if self.lengths else (keys[:0], values[:0])
            joined.append((_stacked(old[0], keys, room), _stacked(old[1], values, room)))
        self._states = joined
        self.lengths.append(cache.length)

    def leave(self, row: int) -> None:
        """Frees a row; the last row moves into it, as with `list[row] = list.pop()`."""
        last = len(self.lengths) - 1
        for keys, values in self._states:
            keys[row], values[row] = keys[last], values[last]
        self._states = [(keys[:last], values[:last]) for keys, values in self._states]
        self.lengths[row] = self.lengths[last]
        self.lengths.pop()
        if not self.lengths:
            self._states = []

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object) -> LayerStates:
        """Adds one token [rows, H, 1, D] at each row's own end."""
        longest = self.get_seq_length() + 1
        if self._room() < longest:
            self._states = [
                (_grown(s, 0, s[0], longest + GROWTH_TOKENS), _grown(s, 1, s[1], longest + GROWTH_TOKENS))
                for s in self._states
            ]
        keys, values = self._states[layer_idx]
        rows = torch.arange(len(self.lengths), device=keys.device)
        ends = torch.tensor(self.lengths, device=keys.device)
        keys[rows, :, ends] = key_states[:, :, 0]  # [rows, H, D]
        values[rows, :, ends] = value_states[:, :, 0]
        return keys[:, :, :longest], values[:, :, :longest]

    def advance(self) -> None:
        """Counts the new token of every row; call it after each forward pass."""
        self.lengths = [length + 1 for length in self.lengths]

    def mask(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Additive mask [rows, 1, 1, longest + 1] of the next token: a row sees its own tokens and itself."""
        columns = torch.arange(self.get_seq_length() + 1, device=device)
        seen = columns[None] <= torch.tensor(self.lengths, device=device)[:, None]
        mask = torch.zeros(seen.shape, dtype=dtype, device=device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None, None]

    def _room(self) -> int:
        return self._states[0][0].shape[2] if self._states else 0


class PrefixStore:
    """Key-value states of earlier prompt prefixes: the system prompt, and a video that is asked about again.

    Keys are chains of segment names; the longest known chain wins. Evicts the least recently used entries when the
    budget is full. Thread-safe: entries never change after they were put in.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._entries: OrderedDict[tuple[Hashable, ...], list[LayerStates]] = OrderedDict()
        self._lock = threading.Lock()

    def longest(self, names: Sequence[Hashable]) -> tuple[int, list[LayerStates]]:
        """Number of leading segments that are known, and their states; (0, []) if none is."""
        with self._lock:
            # Longest chain first; names are few (three in a prompt), so no tree is needed.
            for count in range(len(names), 0, -1):
                states = self._entries.get(tuple(names[:count]))
                if states is not None:
                    self._entries.move_to_end(tuple(names[:count]))
                    return count, states
        return 0, []

    def put(self, names: Sequence[Hashable], states: Sequence[LayerStates]) -> None:
        """Keeps a copy of `states` under the chain `names`, unless it alone exceeds the budget."""
        key = tuple(names)
        if sum(map(_size_bytes, states)) > self._budget:
            return
        with self._lock:
            if key in self._entries:
                return
        # Copied outside the lock: it takes milliseconds, and two threads that copy one chain are harmless.
        copies = [(keys.clone(), values.clone()) for keys, values in states]
        with self._lock:
            self._entries[key] = copies
            while self.size_bytes > self._budget:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Drops all entries; call it when the weights change."""
        with self._lock:
            self._entries.clear()

    @property
    def size_bytes(self) -> int:
        """Bytes of all kept states."""
        return sum(_size_bytes(pair) for states in self._entries.values() for pair in states)


def causal_mask(new: int, past: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """Additive mask [1, 1, new, past + new]; None if attention needs no mask or builds its own."""
    # Without a mask, scaled-dot-product attention is causal by itself; one new token sees all tokens.
    if past == 0 or new == 1:
        return None
    mask = torch.full((new, past + new), torch.finfo(dtype).min, dtype=dtype, device=device)
    return torch.triu(mask, diagonal=past + 1)[None, None]


def _size_bytes(pair: LayerStates) -> int:
    return sum(t.numel() * t.element_size() for t in pair)


def _grown(state: LayerStates | None, which: int, like: Tensor, room: int) -> Tensor:
    grown = like.new_zeros(like.shape[0], like.shape[1], room, like.shape[3])
    if state is not None:
        old = state[which]
        grown[:, :, : old.shape[2]] = old
    return grown


def _stacked(rows: Tensor, row: Tensor, room: int) -> Tensor:
    # Zeros, not empty memory: a NaN behind the row would pass through the additive mask.
    stacked = row.new_zeros(rows.shape[0] + 1, row.shape[1], room, row.shape[3])
    stacked[:-1, :, : rows.shape[2]] = rows
    stacked[-1:, :, : row.shape[2]] = row
    return stacked
