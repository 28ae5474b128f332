"""Strategy `head`: a small trained temporal head on the encoder's features. Knows nothing of how it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from cornerman_decider.strategy import StrategyError, likeliest

if TYPE_CHECKING:
    from pathlib import Path

    from cornerman_common.gate import Proposal
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features

HeadState: TypeAlias = NDArray[np.float32]


class HeadModel(Protocol):
    """A trained head: features [F] and its state in; probabilities [3] of next, feedback, correct and its state out."""

    @property
    def feature_size(self) -> int: ...

    def step(self, features: NDArray[np.float32], state: HeadState | None) -> tuple[NDArray[np.float32], HeadState]: ...


class HeadStrategy:
    """The likeliest action, with its probability as confidence.

    Args:
        head: the trained head.
        made_from: the folder in the settings that it was read from.
    """

    name = "head"
    wants_tokens = False
    wants_images = False
    follows_prompt = False

    def __init__(self, head: HeadModel, made_from: str = "") -> None:
        self._head = head
        self.made_from = made_from

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Runs one step of the head.

        Raises:
            StrategyError: the features are not those that the head was trained on.
        """
        vector = features.vector
        wanted = self._head.feature_size
        if vector is None or vector.shape != (wanted,):
            got = "none" if vector is None else f"{list(vector.shape)}"
            raise StrategyError(
                f"the head reads {wanted} features, the encoder {features.model!r} gave {got}; "
                "give speak.head a head that was trained with this encoder, or choose another strategy"
            )
        before = memory.get("state")
        probabilities, state = self._head.step(vector, before if isinstance(before, np.ndarray) else None)
        return likeliest(probabilities, "head"), {"state": state}

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Unchanged: the head reads features only."""
        return memory

    def still_true(self, memory: Memory) -> Memory:
        """Nothing: another head cannot read the state of this one, even of the same size."""
        return {}


def load_head(folder: Path) -> HeadModel:
    """Reads a trained head.

    Raises:
        StrategyError: it is missing or damaged.
    """
    from mobile_videogpt.head import TemporalHead

    try:
        return cast("HeadModel", TemporalHead.load(folder))
    except (OSError, ValueError, KeyError) as error:
        raise StrategyError(
            f"speak.head: the head at {folder} cannot be read ({error}); give the folder of a trained head, "
            "or choose another strategy"
        ) from error
