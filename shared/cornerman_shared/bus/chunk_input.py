"""One chunk of a context with its arrays: what a strategy or a back end reads. Not a message; fetched from blobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cornerman_shared.bus.messages import ChunkRef


@dataclass(frozen=True, slots=True)
class ChunkInput:
    """A chunk with the arrays that its reader wants; None = not wanted, or the encoder made none."""

    ref: ChunkRef
    context: NDArray[Any] | None = None  # [n, P, D] image tokens of the frames in time order
    video: NDArray[Any] | None = None  # [V, D] video tokens
    frames: NDArray[np.uint8] | None = None  # [n, H, W, 3] RGB
