"""Fake encoder: deterministic features from pixels, to run the pipeline without a model and to inject crashes."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from cornerman_encoder.core import EncoderOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cornerman_encoder.core import Pixels
    from cornerman_shared.bus.messages import Chunk

PATCHES = 4
WIDTH = 16
KILLED = 137


def die() -> None:
    """Ends the process as `kill -9` does: nothing is flushed, settled or released."""
    os._exit(KILLED)


def hang() -> None:
    """Blocks the calling thread until the process ends, as a stuck driver does."""
    threading.Event().wait()


class FakeEncoder:
    """Encodes without a model.

    The vector [F = 24 of a chunk] holds the mean grey of each frame, its mean |difference| to the frame before, and
    the mean grey of 8 parts of the last frame.

    Args:
        delay_s: sleep of each batch, seconds.
        crash_rate: probability that a chunk kills the process.
        seed: of the crashes; None = random.
        crash: called for a crash; tests pass a harmless one.
        hang_at: the batch of this number, from 1, never ends; 0 = none.
        hang: called for the hang; tests pass one that they can end.
    """

    model = "fake"

    def __init__(
        self,
        delay_s: float = 0.0,
        crash_rate: float = 0.0,
        seed: int | None = None,
        crash: Callable[[], None] = die,
        hang_at: int = 0,
        hang: Callable[[], object] = hang,
    ) -> None:
        self._delay_s = delay_s
        self._crash_rate = crash_rate
        self._random = random.Random(seed)
        self._crash = crash
        self._hang_at, self._hang = hang_at, hang
        self._batches = 0

    def reads(self, frames: int) -> bool:
        """Any number of frames."""
        return frames > 0

    def encode(self, chunks: Sequence[Chunk], frames: Sequence[Pixels]) -> list[EncoderOutput]:
        """Computes features that depend only on the pixels."""
        self._batches += 1
        if self._batches == self._hang_at:
            self._hang()
        if self._delay_s:
            time.sleep(self._delay_s)
        for _ in frames:
            if self._random.random() < self._crash_rate:
                self._crash()
        return [_encode(pixels) for pixels in frames]


def _encode(frames: Pixels) -> EncoderOutput:
    grey = frames.mean(axis=3, dtype=np.float32) / 255  # [n, H, W]
    means = grey.mean(axis=(1, 2))
    moved = np.abs(np.diff(grey, axis=0, prepend=grey[:1])).mean(axis=(1, 2))
    parts = np.array([part.mean() for part in np.array_split(grey[-1].ravel(), 8)], np.float32)
    vector = np.concatenate([means, moved, parts]).astype(np.float32)  # [24]
    ramp = np.linspace(0, 1, WIDTH, dtype=np.float32)
    context = (means[:, None, None] * np.ones((PATCHES, 1), np.float32) * ramp).astype(np.float16)  # [n, 4, 16]
    video = (moved[:, None] * ramp).astype(np.float16)  # [n, 16]
    return EncoderOutput(vector, context, video)
