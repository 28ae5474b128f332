"""Strategy `rules`: every n-th chunk, or motion with hysteresis."""

from __future__ import annotations

from cornerman_decider.core import ChunkTensors
from cornerman_decider.gate import Proposal
from cornerman_decider.state import Memory
from cornerman_shared.bus.messages import Features

SCHEDULED_CONFIDENCE = 0.85
HISTORY = 3


class RulesStrategy:
    """Every n-th chunk with confidence 0.85; else motion above the threshold while the mean of the last three is
    above
    the release level, with the motion as confidence; else silence. Motion is remembered through every silence."""

    name = "rules"
    wants_tokens = False
    wants_images = False
    follows_prompt = False

    def __init__(self, every_chunks: int, motion_threshold: float, motion_release: float) -> None:
        self._every_chunks = every_chunks
        self._threshold = motion_threshold
        self._release = motion_release

    def propose(self, features: Features, tokens: ChunkTensors | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Counts the chunk and looks at its motion."""
        count, motions = memory.get("count", 0), memory.get("motions", [])
        assert isinstance(count, int) and isinstance(motions, list)
        count += 1
        motions = [*motions, features.motion][-HISTORY:]
        memory = {"count": count, "motions": motions}
        if count % self._every_chunks == 0:
            return Proposal("feedback", SCHEDULED_CONFIDENCE, "every_n_chunks"), memory
        if features.motion > self._threshold and sum(motions) / len(motions) > self._release:
            return Proposal("feedback", min(1.0, features.motion), "motion", cue=True), memory
        return Proposal("next", 1.0, "quiet"), memory

    def settled(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Nothing depends on it."""
        return memory
