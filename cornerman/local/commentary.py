"""Presets of `cornerman comment`: how closely the picture is watched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from cornerman_shared.chunk import CHUNK_FRAMES

Preset = Literal["sentry", "sniper", "owl", "beast"]


@dataclass(frozen=True, slots=True)
class CommentaryPreset:
    """Rates and limits of a commentary.

    Attributes:
        fps: frames looked at per second.
        frames: kept frames that one comment is about.
        stride: every `stride`-th frame is kept.
        threshold: change of the picture that asks for a comment, mean grey levels; 0 = always comment.
        interval_s: shortest time between two comments, seconds of media time.
    """

    fps: float
    frames: int
    stride: int
    threshold: float
    interval_s: float

    def settings(self) -> dict[str, Any]:
        """The preset as nested settings: chunks of 8 frames at the rate of the kept frames."""
        return {
            "watch": {"sample_fps": self.fps / self.stride, "overlap": CHUNK_FRAMES - 1},
            "speak": {
                "strategy": "scene",
                "scene_threshold": self.threshold,
                "min_interval_s": self.interval_s,
                "context_chunks": math.ceil(self.frames / CHUNK_FRAMES),
                "clear_context": False,
            },
        }


PRESETS: dict[Preset, CommentaryPreset] = {
    "sentry": CommentaryPreset(fps=2, frames=4, stride=2, threshold=5.0, interval_s=1.0),
    "sniper": CommentaryPreset(fps=5, frames=4, stride=1, threshold=0.0, interval_s=0.5),
    "owl": CommentaryPreset(fps=4, frames=8, stride=2, threshold=1.0, interval_s=0.5),
    "beast": CommentaryPreset(fps=5, frames=10, stride=2, threshold=0.0, interval_s=0.5),
}
