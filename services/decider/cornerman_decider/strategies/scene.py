"""Strategy `scene`: commentary speaks when the picture has changed since the chunk that it last spoke about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_common.gate import Proposal

if TYPE_CHECKING:
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features

GREY_LEVELS = 255.0


class SceneStrategy:
    """Compares the largest change since the last feedback, in mean grey levels, with a threshold.

    The largest change is kept, not the newest, so that an event during an answer is still commented on afterwards.
    With threshold 0 every chunk qualifies. The first chunk of a run, and the first one after a new prompt, always does.
    """

    name = "scene"
    wants_tokens = False
    wants_images = False
    follows_prompt = True

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self.made_from = f"scene_threshold={threshold!r}"

    def propose(self, features: Features, chunk: ChunkInput | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Feedback when the change reaches the threshold."""
        now = features.motion * GREY_LEVELS
        if "change" not in memory:
            return Proposal("feedback", 1.0, "first_look", change=GREY_LEVELS), memory
        before = memory["change"]
        assert isinstance(before, float)
        change = max(before, now)
        memory = {"change": change}
        if change >= self._threshold:
            return Proposal("feedback", 1.0, "scene_changed", change=change), memory
        return Proposal("next", 1.0, "scene_unchanged", change=change), memory

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Measures change from this chunk on, after feedback about it."""
        return {"change": 0.0} if spoke else memory

    def still_true(self, memory: Memory) -> Memory:
        """All of it: the change that was measured."""
        return memory
