"""Strategy `interval`: speak every N seconds of media time (polling)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cornerman_common.gate import SLACK_S, Proposal

if TYPE_CHECKING:
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features


class IntervalStrategy:
    """Due at the run's first chunk and then on a fixed grid, so that slow answers do not make the period drift.

    A point of the grid stays due until it passes the gate. A poll is due by itself: capture cuts it at its time.
    """

    name = "interval"
    wants_tokens = False
    wants_images = False
    follows_prompt = True

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Feedback once the next point of the grid is reached."""
        if features.look == "poll":
            return Proposal("feedback", 1.0, "interval"), memory
        start_s = memory.get("start_s")
        if not isinstance(start_s, float):
            memory = {"start_s": float(features.pts_s), "due": 0}  # `due`: number of the next point of the grid
        if features.pts_s >= self._due_s(memory) - SLACK_S:
            return Proposal("feedback", 1.0, "interval"), memory
        return Proposal("next", 1.0, "not_due"), memory

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Moves to the next point of the grid after feedback."""
        if not spoke or features.look == "poll":
            return memory
        passed = math.floor((features.pts_s - _number(memory, "start_s") + SLACK_S) / self._interval_s)
        return {**memory, "due": passed + 1}

    def _due_s(self, memory: Memory) -> float:
        return _number(memory, "start_s") + _number(memory, "due") * self._interval_s


def _number(memory: Memory, name: str) -> float:
    value = memory[name]
    assert isinstance(value, (int, float))
    return float(value)
