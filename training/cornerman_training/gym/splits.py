"""Random draws for train, validation and test, each from its own slices of every range.

A range has ten equal slices; six belong to train, two to validation, two to test, interleaved. So a held-out body,
camera or colour lies between training values and never equals one.
"""

from __future__ import annotations

import zlib
from typing import Literal, get_args

import numpy as np
from numpy.random import Generator

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_SLICES: dict[Split, tuple[int, ...]] = {
    "train": (0, 1, 4, 5, 8, 9),
    "validation": (2, 6),
    "test": (3, 7),
}


def check_split(split: str) -> Split:
    """Returns `split` if it is one of the three names.

    Raises:
        ValueError: for any other name.
    """
    for known in SPLITS:
        if split == known:
            return known
    raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")


def seeded(seed: int, split: Split, purpose: str) -> Generator:
    """An independent stream of random numbers for one purpose of one session."""
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(f"{split}:{purpose}".encode())])


def draw(rng: Generator, split: Split, low: float, high: float) -> float:
    """Draws a uniform number from the slices of [low, high] that belong to `split`."""
    slices = _SLICES[split]
    index = slices[int(rng.integers(len(slices)))]
    return low + (high - low) * (index + float(rng.uniform())) / 10.0
