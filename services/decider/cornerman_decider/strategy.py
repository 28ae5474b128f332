"""Strategy protocol: proposes an action for each chunk; and the choice among action probabilities that two share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cornerman_common.gate import Action, Proposal
from cornerman_shared.errors import CornermanError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features, MovementSeen

ACTIONS: tuple[Action, ...] = ("next", "feedback", "correct")


@dataclass(frozen=True, slots=True)
class FormProposal(Proposal):
    """A proposal of a strategy that follows a person, with the movement it is about."""

    about: MovementSeen | None = None


class StrategyError(CornermanError):
    """A strategy cannot judge: its model is missing, broken, or made for other features."""


class Strategy(Protocol):
    """Proposes an action for each chunk. Its memory is passed in and returned, so that it can be saved."""

    name: str
    wants_tokens: bool  # reads the chunk's video tokens
    wants_images: bool  # reads the image tokens of the chunk's frames as well
    follows_prompt: bool  # a new prompt clears its memory
    made_from: str  # the settings that what it learns depends on, as text; empty = none

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """The action for this chunk, and the memory after it.

        Args:
            features: one chunk with status `ok`.
            chunk: its tokens, if `wants_tokens`.
            memory: the value that the call before returned; empty at the start of a run.

        Raises:
            StrategyError: it cannot judge this chunk.
        """

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """The memory after the gate; `spoke` = the proposal passed."""

    def still_true(self, memory: Memory) -> Memory:
        """The part of a memory that holds under any settings: what was seen and said, and when.

        The rest was learned under other settings than `made_from`, and is left behind.
        """


def likeliest(probabilities: NDArray[np.float32], reason: str) -> Proposal:
    """The action with the highest of the probabilities [next, feedback, correct].

    Raises:
        StrategyError: they are not three finite numbers.
    """
    if probabilities.shape != (3,) or not np.isfinite(probabilities).all():
        raise StrategyError(f"strategy {reason} gave {probabilities!r}; expected three finite probabilities")
    best = int(np.argmax(probabilities))
    return Proposal(ACTIONS[best], float(probabilities[best]), reason, cue=ACTIONS[best] != "next")
