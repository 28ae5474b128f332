"""Strategy `interval`: speak every N seconds of media time (polling)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cornerman_common.gate import SLACK_S, Proposal
from cornerman_decider.strategies.stillness import watch_stillness

if TYPE_CHECKING:
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features


MAX_POINTS = 2.0**53
"""Points of the grid that are counted: an absurdly small interval must still give a number that can be stored."""


class IntervalStrategy:
    """Due at the run's first chunk and then on a fixed grid, so that slow answers do not make the period drift.

    A point of the grid stays due until it passes the gate. The memory holds media times only, so another interval
    applies to the next chunk. A poll is due by itself: capture cuts it at its time. Nothing is due while the picture
    stands still, if that is asked for.

    Args:
        interval_s: seconds of media time.
        still_motion, pause_still_s: see `watch_stillness`.
    """

    name = "interval"
    wants_tokens = False
    wants_images = False
    follows_prompt = True

    def __init__(self, interval_s: float, still_motion: float = 0.01, pause_still_s: float = 0.0) -> None:
        self._interval_s = interval_s
        self._still_motion, self._pause_still_s = still_motion, pause_still_s
        stillness = f" still_motion={still_motion!r} pause_still_s={pause_still_s!r}" if pause_still_s else ""
        self.made_from = f"interval_s={interval_s!r}{stillness}"

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Feedback once the next point of the grid is reached."""
        memory = watch_stillness(features, memory, self._still_motion, self._pause_still_s)
        if memory.get("is_still"):
            return Proposal("next", 1.0, "still"), memory
        if features.look == "poll":
            return Proposal("feedback", 1.0, "interval"), memory
        memory = self._with_due(memory, features.pts_s)
        if features.pts_s >= _number(memory, "start_s") + _number(memory, "due") * self._interval_s - SLACK_S:
            return Proposal("feedback", 1.0, "interval"), memory
        return Proposal("next", 1.0, "not_due"), memory

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Moves to the next point of the grid after feedback."""
        if not spoke or features.look == "poll":
            return memory
        return self._with_due({**memory, "spoke_at_s": float(features.pts_s)}, features.pts_s)

    def still_true(self, memory: Memory) -> Memory:
        """When the grid began, when something was said last, and when something moved."""
        return {name: value for name, value in memory.items() if name in ("start_s", "spoke_at_s", "moved_at_s")}

    def _with_due(self, memory: Memory, pts_s: float) -> Memory:
        """The memory with the number of the next point of the grid, counted from what was said last.

        An older version kept that number only, and its readers still want it.
        """
        if not isinstance(memory.get("start_s"), float):
            memory = {**memory, "start_s": float(pts_s)}
        start_s = _number(memory, "start_s")
        if "spoke_at_s" not in memory and memory.get("due"):
            # Never later than now, also if the number was counted with a shorter interval.
            memory = {**memory, "spoke_at_s": min(pts_s, start_s + (_number(memory, "due") - 1) * self._interval_s)}
        if "spoke_at_s" not in memory:
            return {**memory, "due": 0}
        passed = (_number(memory, "spoke_at_s") - start_s + SLACK_S) / self._interval_s
        return {**memory, "due": math.floor(min(passed, MAX_POINTS)) + 1}


def _number(memory: Memory, name: str) -> float:
    value = memory[name]
    assert isinstance(value, (int, float))
    return float(value)
