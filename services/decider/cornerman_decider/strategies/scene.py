"""Strategy `scene`: commentary speaks when the picture has changed since the look that it last spoke about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerman_common.gate import Proposal

if TYPE_CHECKING:
    from cornerman_decider.state import Memory
    from cornerman_shared.bus.chunk_input import ChunkInput
    from cornerman_shared.bus.messages import Features

GREY_LEVELS = 255.0


class SceneStrategy:
    """Compares the newest picture with that of the last look the model was sent, in mean levels of 0..255.

    With threshold 0 every look qualifies. The first look of a run, and the first one after a new prompt, always does.
    Where a look comes without its small picture, as an older capture sends it, the largest motion since then counts.
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
        before, largest, now = memory.get("seen"), memory.get("change"), np.frombuffer(features.thumbnail, np.uint8)
        if isinstance(before, np.ndarray) and 0 < len(now) == before.size:
            change = float(np.abs(before.astype(np.int16) - now).mean())
        elif isinstance(largest, float):
            change = max(largest, features.motion * GREY_LEVELS)
        else:
            return Proposal("feedback", 1.0, "first_look", change=GREY_LEVELS), memory
        memory = {**memory, "change": change}
        if len(now) and not isinstance(before, np.ndarray):
            # The look that was spoken about came without: the first one that has its small picture stands for it.
            memory["seen"] = now
        if change >= self._threshold:
            return Proposal("feedback", 1.0, "scene_changed", change=change), memory
        return Proposal("next", 1.0, "scene_unchanged", change=change), memory

    def after_gate(self, features: Features, proposal: Proposal, spoke: bool, memory: Memory) -> Memory:
        """Measures change from this look on, after feedback about it."""
        if not spoke:
            return memory
        seen = np.frombuffer(features.thumbnail, np.uint8)
        return {"change": 0.0, "seen": seen} if len(seen) else {"change": 0.0}

    def still_true(self, memory: Memory) -> Memory:
        """All of it: the picture that was spoken about, and the change since."""
        return memory
