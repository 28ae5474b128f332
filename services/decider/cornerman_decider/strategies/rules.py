"""Strategy `rules`: every n-th chunk, or motion with hysteresis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_common.gate import Proposal

if TYPE_CHECKING:
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features

SCHEDULED_CONFIDENCE = 0.85
HISTORY = 3


class RulesStrategy:
    """Speaks at every n-th chunk, and on motion.

    The schedule has confidence 0.85. Motion counts while it is above the threshold and the mean of the last three
    chunks is above the release level; its confidence is the motion, 0..1.
    """

    name = "rules"
    wants_tokens = False
    wants_images = False
    follows_prompt = False

    def __init__(self, every_chunks: int, motion_threshold: float, motion_release: float) -> None:
        self._every_chunks = every_chunks
        self._threshold = motion_threshold
        self._release = motion_release
        self.made_from = f"{every_chunks!r} {motion_threshold!r} {motion_release!r}"

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Counts the chunk and its motion."""
        count, motions = memory.get("count", 0), memory.get("motions", [])
        assert isinstance(count, int) and isinstance(motions, list)
        count += 1  # silent chunks count as well: the schedule is one of chunks, not of feedback
        motions = [*motions, features.motion][-HISTORY:]
        memory = {"count": count, "motions": motions}
        if count % self._every_chunks == 0:
            return Proposal("feedback", SCHEDULED_CONFIDENCE, "every_n_chunks"), memory
        if features.motion > self._threshold and sum(motions) / len(motions) > self._release:
            return Proposal("feedback", min(1.0, features.motion), "motion", cue=True), memory
        return Proposal("next", 1.0, "quiet"), memory

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Unchanged: motion is remembered through every silence."""
        return memory

    def still_true(self, memory: Memory) -> Memory:
        """All of it: numbers of chunks and their motion."""
        return memory
