"""Chunks with random pixels, as encoders get them."""

from __future__ import annotations

import numpy as np

from cornerman_encoder.core import Pixels
from cornerman_shared.bus.messages import Chunk, Times


def pixels_of(seed: int, height: int = 12, width: int = 16) -> Pixels:
    """[8, H, W, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (8, height, width, 3), np.uint8)


def batch(*frames: Pixels) -> tuple[list[Chunk], list[Pixels]]:
    """Arguments of `Encoder.encode`."""
    times = tuple(i / 8 for i in range(8))
    return [Chunk("cam", "r1", i, 1.0, times, 0.1, False, False, None, False, Times()) for i, _ in enumerate(frames)], [
        *frames
    ]
