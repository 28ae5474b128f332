"""Generates weights and inputs from a seed and a name, equally here and beside the reference.

Every array has its own generator, seeded with the run's seed and the crc32 of its name, so each can be generated alone.
numpy only.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# The first pattern found in a weight's name decides; "log" stands for log(1..N) along the last axis.
_SCALES: list[tuple[str, float | str, float]] = [
    (r"\.A(_b)?_log$", "log", 0.1),
    (r"\.mixer\.D(_b)?$", 1.0, 0.1),
    (r"norm[^.]*\.weight$", 1.0, 0.1),
    (r"\.mixer\.conv1d(_b)?\.weight$", 0.0, 0.5),
    (r"\.mixer\.x_proj(_b)?\.weight$", 0.0, 0.1),
    (r"\.mixer\.dt_proj(_b)?\.weight$", 0.0, 0.15),
    (r"\.mixer\.dt_proj(_b)?\.bias$", -4.0, 1.0),
    (r"\.mixer\.out_proj\.weight$", 0.0, 0.1),
    (r"\.peg\.peg\.0\.weight$", 0.0, 0.3),
    (r"\.self_attn\.(q|k)_proj\.weight$", 0.0, 0.06),
    (r"\.mlp\.(gate|up|down)_proj\.weight$", 0.0, 0.05),
    (r"embed_tokens\.weight$", 0.0, 0.1),
    (r"(class_embedding|cls_token|pos_embed|temporal_pos_embedding|position_embedding\.weight)$", 0.0, 0.1),
    (r"\.bias$", 0.0, 0.05),
    (r"", 0.0, 0.02),
]

_WAVES = 6
_BLOCKS = 28


def generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def normal(seed: int, name: str, shape: Sequence[int]) -> Floats:
    """Standard normal numbers."""
    return generator(seed, name).standard_normal(tuple(shape), dtype=np.float32)


def weight(seed: int, name: str, shape: Sequence[int]) -> Floats:
    """The weight of a published name; all arithmetic in float32."""
    offset, scale = next((o, s) for pattern, o, s in _SCALES if re.search(pattern, name))
    values = normal(seed, name, shape) * np.float32(scale)
    if offset == "log":
        return values + np.log(np.arange(1.0, shape[-1] + 1.0)).astype(np.float32)
    return values + np.float32(offset) if offset else values


def frames(seed: int, name: str, count: int, height: int, width: int) -> NDArray[np.uint8]:
    """`[count, height, width, 3]` RGB: moving waves and a grid of blocks that changes with every frame."""
    rng = generator(seed, name)
    turns_x, turns_y = rng.integers(-5, 6, _WAVES), rng.integers(-5, 6, _WAVES)
    turns_t = rng.uniform(-1, 1, _WAVES)
    phase = rng.uniform(0, 2 * np.pi, (_WAVES, 3))
    size = rng.uniform(8, 28, (_WAVES, 3))
    blocks = rng.integers(-60, 61, (count, _BLOCKS, _BLOCKS, 3))
    gain = rng.uniform(0, 1, count)

    t, y, x = np.ogrid[:count, :height, :width]
    light = np.full((count, height, width, 3), 127.5)
    for k in range(_WAVES):
        angle = 2 * np.pi * (turns_x[k] * x / width + turns_y[k] * y / height + turns_t[k] * t / count)
        light += size[k] * np.sin(angle[..., None] + phase[k])
    rows, columns = np.arange(height) * _BLOCKS // height, np.arange(width) * _BLOCKS // width
    light += gain[:, None, None, None] * blocks[:, rows][:, :, columns]
    return np.clip(np.floor(light + 0.5), 0, 255).astype(np.uint8)


def ids(seed: int, name: str, count: int, vocabulary: int = 1000) -> NDArray[np.int64]:
    """Token ids."""
    return generator(seed, name).integers(0, vocabulary, count)
