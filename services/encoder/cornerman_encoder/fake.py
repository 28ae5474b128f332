"""The fake encoder: deterministic features from pixels, for running the pipeline without a model and for breaking
it on purpose."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence

import numpy as np

from cornerman_encoder.core import Clip, Encoded

PATCHES = 4
WIDTH = 16
KILLED = 137


def die() -> None:
    """Ends the process as `kill -9` would: nothing is flushed, settled or given back."""
    os._exit(KILLED)


class FakeEncoder:
    """Vector [F = 24]: mean grey of each frame, mean |difference| to the frame before, and mean grey of an 8-part
    split.

    Args:
        delay_s: slept for each batch, as a model would compute.
        crash_rate: chance that a chunk kills the process.
        seed: of the crashes; None = other ones each time.
        crash: what a crash does; tests give something gentler.
    """

    model = "fake"

    def __init__(
        self,
        delay_s: float = 0.0,
        crash_rate: float = 0.0,
        seed: int | None = None,
        crash: Callable[[], None] = die,
    ) -> None:
        self._delay_s = delay_s
        self._crash_rate = crash_rate
        self._random = random.Random(seed)
        self._crash = crash

    def encode(self, clips: Sequence[Clip]) -> list[Encoded]:
        """Features that depend on nothing but the pixels."""
        if self._delay_s:
            time.sleep(self._delay_s)
        for _ in clips:
            if self._random.random() < self._crash_rate:
                self._crash()
        return [_encode(clip) for clip in clips]


def _encode(clip: Clip) -> Encoded:
    grey = clip.frames.mean(axis=3, dtype=np.float32) / 255  # [8, H, W]
    means = grey.mean(axis=(1, 2))
    moved = np.abs(np.diff(grey, axis=0, prepend=grey[:1])).mean(axis=(1, 2))
    parts = np.array([part.mean() for part in np.array_split(grey[-1].ravel(), 8)], np.float32)
    vector = np.concatenate([means, moved, parts]).astype(np.float32)  # [24]
    ramp = np.linspace(0, 1, WIDTH, dtype=np.float32)
    context = (means[:, None, None] * np.ones((PATCHES, 1), np.float32) * ramp).astype(np.float16)  # [8, 4, 16]
    video = (moved[:, None] * ramp).astype(np.float16)  # [8, 16]
    return Encoded(vector, context, video)
