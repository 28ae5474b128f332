"""What an encoder is: chunks of pixels in, a small vector and tokens out. Pure; which model it is, the back ends
know."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cornerman_shared.errors import PoisonError
from cornerman_shared.settings.source import CHUNK_FRAMES

Pixels = NDArray[np.uint8]

FLOAT16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Clip:
    """One chunk as an encoder sees it."""

    frames: Pixels  # uint8 [8, H, W, 3] RGB
    frame_pts_s: tuple[float, ...]
    motion: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of a chunk."""

    vector: NDArray[np.float32]  # [F] pooled summary, for the decider
    context: NDArray[Any] | None  # [8, P, D] image tokens of the frames
    video: NDArray[Any] | None  # [V, D] video tokens


class Encoder(Protocol):
    """Encodes batches. Called from one thread at a time, never from the event loop."""

    @property
    def model(self) -> str:
        """What it is called in messages."""

    def encode(self, clips: Sequence[Clip]) -> list[Encoded]:
        """One result a clip, in the same order. Any exception means that none of them was encoded."""


def checked(frames: NDArray[Any]) -> Pixels:
    """The frames, if they are a chunk's.

    Raises:
        PoisonError: another shape or dtype; trying again would not help.
    """
    wanted = f"uint8 [{CHUNK_FRAMES}, H, W, 3]"
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[0] != CHUNK_FRAMES or frames.shape[3] != 3:
        raise PoisonError(f"frames are {frames.dtype} {list(frames.shape)}; a chunk has {wanted}")
    if 0 in frames.shape:
        raise PoisonError(f"frames are {list(frames.shape)}, so there is not one pixel; a chunk has {wanted}")
    return frames


def groups_of_equal_size(clips: Iterable[Clip]) -> list[list[int]]:
    """Positions of clips whose frames have one height and width, so that they can be stacked; order is kept."""
    found: dict[Hashable, list[int]] = {}
    for position, clip in enumerate(clips):
        found.setdefault(clip.frames.shape, []).append(position)
    return list(found.values())


def compact(tokens: NDArray[np.float32]) -> NDArray[Any]:
    """Tokens as they travel: float16 when every value fits, which loses nothing that bfloat16 had, else float32."""
    largest = float(np.abs(tokens).max(initial=0.0))
    return tokens.astype(np.float16) if largest <= FLOAT16_MAX else tokens
