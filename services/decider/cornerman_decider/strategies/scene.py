"""Strategy `scene`: commentary speaks when the picture has changed since the chunk it last spoke about."""

from __future__ import annotations

from cornerman_decider.core import ChunkTensors
from cornerman_decider.gate import Proposal
from cornerman_decider.state import Memory
from cornerman_shared.bus.messages import Features

GREY_LEVELS = 255.0


class SceneStrategy:
    """Compares the largest change seen since the last words, in mean grey levels, with a threshold.

    The largest change is kept, not the newest, so that something which happened while an answer was being given is
    still
    commented on afterwards. With threshold 0 every chunk qualifies. The first chunk of a run, and the first one
    after a new
    instruction, always does.
    """

    name = "scene"
    wants_tokens = False
    wants_images = False
    follows_prompt = True

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def propose(self, features: Features, tokens: ChunkTensors | None, memory: Memory) -> tuple[Proposal, Memory]:
        """Feedback when enough has changed."""
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

    def settled(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """The chunk that was spoken about is what the next ones are compared with."""
        return {"change": 0.0} if spoke else memory
