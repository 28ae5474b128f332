"""Strategy `llm`: the language model's next-token logits over the action tokens, in a rolling context.

The context lives in this process: after a restart it fills again from the next chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from cornerman_decider.strategy import ACTIONS, StrategyError, likeliest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerman_common.gate import Proposal
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features


class TokenContext(Protocol):
    """The rolling context of one source."""

    def append_chunk(self, tokens: NDArray[np.floating]) -> NDArray[np.float32]:
        """Reads a chunk's tokens [n, D]; returns logits [3] of `<next> <feedback> <correct>` as the next token."""

    def append_action(self, action: int) -> None:
        """Reads the token of the action that was taken: 0, 1 or 2."""


class ActionModel(Protocol):
    """Opens rolling contexts that begin with the user's prompt."""

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
        self.made_from = ""  # the prompt is the only setting, and a new one clears the memory
        self._context: TokenContext | None = None

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Appends the chunk to the context and reads the action logits.

        Raises:
            StrategyError: there are no tokens, or the model cannot read them.
        """
        if chunk is None or chunk.video is None:
            raise StrategyError(
                f"strategy llm reads video tokens, and the encoder {features.model!r} gives none; "
                "set encoder.backend to mobile_videogpt, or choose another strategy"
            )
        # An empty memory means a new run or a new prompt: the old context no longer fits.
        if self._context is None or not memory:
            self._context = self._model.open(self._prompt)
        logits = self._context.append_chunk(newest_tokens(chunk, self._model.frames)).astype(np.float64)
        weights = np.exp(logits - logits.max())  # softmax, shifted against overflow
        return likeliest((weights / weights.sum()).astype(np.float32), "llm"), {"seen": features.seq + 1}

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Appends the action that was taken, which the gate may have turned into `next`."""
        if self._context is not None:
            self._context.append_action(ACTIONS.index(proposal.action) if spoke else 0)
        return memory

    def still_true(self, memory: Memory) -> Memory:
        """Nothing: the context has read it all."""
        return {}


def newest_tokens(chunk: ChunkInput, frames: int) -> NDArray[np.floating]:
    """Tokens [frames * P + V, D]: those of the newest `frames` images in time order, then the video's.

    Raises:
        StrategyError: the chunk has fewer images, or no video tokens.
    """
    if chunk.video is None:
        raise StrategyError(f"chunk {chunk.ref.seq} has no video tokens; set encoder.backend to mobile_videogpt")
    if frames == 0:
        return chunk.video
    have = 0 if chunk.context is None else len(chunk.context)
    if chunk.context is None or have < frames:
        raise StrategyError(
            f"the model decides on the image tokens of {frames} frames of each chunk, and the encoder gives "
            f"{have}; let the same checkpoint encode (encoder.model), or choose another strategy"
        )
    newest = chunk.context[have - frames :]
    return np.concatenate([newest.reshape(-1, newest.shape[-1]), chunk.video])
