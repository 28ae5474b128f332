"""Presets of `cornerman comment`: how closely the picture is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Preset = Literal["sentry", "sniper", "owl", "beast"]


@dataclass(frozen=True, slots=True)
class CommentaryPreset:
    """Rates and limits of a commentary.

    Attributes:
        fps: frames sampled per second.
        frames: of one look.
        stride: every `stride`-th sampled frame is in a look, back from the newest.
        threshold: change since the last look that was commented on, mean levels 0..255; 0 = always comment.
        interval_s: time between two looks, seconds of media time.
    """

    fps: float
    frames: int
    stride: int
    threshold: float
    interval_s: float

    def settings(self) -> dict[str, Any]:
        """The preset as nested settings."""
        return {
            "watch": {"look": "stride", "sample_fps": self.fps, "frames": self.frames, "stride": self.stride},
            "speak": {
                "strategy": "scene",
                "scene_threshold": self.threshold,
                "interval_s": self.interval_s,
                "min_interval_s": 0.0,
                "context_chunks": 1,
                "clear_context": False,
            },
        }


PRESETS: dict[Preset, CommentaryPreset] = {
    "sentry": CommentaryPreset(fps=2, frames=4, stride=2, threshold=5.0, interval_s=1.0),
    "sniper": CommentaryPreset(fps=5, frames=4, stride=1, threshold=0.0, interval_s=0.5),
    "owl": CommentaryPreset(fps=4, frames=8, stride=2, threshold=1.0, interval_s=0.5),
    "beast": CommentaryPreset(fps=5, frames=10, stride=2, threshold=0.0, interval_s=0.5),
}
