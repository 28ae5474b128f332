"""Strategy `llm`: the language model itself decides. Its next-token logits over the action tokens, after the newest
chunk, in a context that rolls on for ever.

The context lives in this process: after a restart it fills again from the next chunks.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cornerman_decider.core import ChunkTensors, StrategyError
from cornerman_decider.gate import Proposal
from cornerman_decider.state import Memory
from cornerman_decider.strategies.head import ACTIONS, likeliest
from cornerman_shared.bus.messages import Features


class TokenContext(Protocol):
    """One source's rolling context."""

    def see(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        """Reads a chunk's tokens [n, D]; logits [3] of `<next> <feedback> <correct>` as what comes next."""

    def did(self, action: int) -> None:
        """Reads the action token that was in fact taken: 0, 1 or 2."""


class ActionModel(Protocol):
    """Opens a rolling context that begins with the user's instruction."""

    @property
    def frames(self) -> int:
        """Newest frames of each chunk whose image tokens it reads in front of the chunk's video tokens."""

    def open(self, prompt: str) -> TokenContext: ...


class LlmStrategy:
    """Softmax over the three action logits. Not shared between sources."""

    name = "llm"
    wants_tokens = True
    follows_prompt = True

    def __init__(self, model: ActionModel, prompt: str) -> None:
        self._model = model
        self.wants_images = model.frames > 0
        self._prompt = prompt
        self._watcher: TokenContext | None = None

    def propose(self, features: Features, tokens: ChunkTensors | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Lets the model see the chunk.

        Raises:
            StrategyError: there are no tokens, or the model cannot read them.
        """
        if tokens is None:
            raise StrategyError(
                f"strategy llm reads video tokens, and the encoder {features.model!r} gives none; "
                "set encoder.backend to mobile_videogpt, or choose another strategy"
            )
        if self._watcher is None or not memory:
            self._watcher = self._model.open(self._prompt)
        logits = self._watcher.see(tokens.newest(self._model.frames)).astype(np.float64)
        weights = np.exp(logits - logits.max())
        return likeliest((weights / weights.sum()).astype(np.float32), "llm"), {"seen": features.seq + 1}

    def settled(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """The model reads what was done, not what it proposed."""
        if self._watcher is not None:
            self._watcher.did(ACTIONS.index(proposal.action) if spoke else 0)
        return memory
