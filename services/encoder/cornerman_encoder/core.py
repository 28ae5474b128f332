"""Output of encoder back ends, with checks and batching of frames. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cornerman_shared.chunk import CHUNK_FRAMES
from cornerman_shared.errors import PoisonError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from cornerman_shared.bus.messages import Chunk

Pixels = NDArray[np.uint8]
"""Frames of a look, uint8 [n, H, W, 3] RGB; 8 of a chunk."""

MAX_FAILURES = 8
"""Chunks in a row whose failure shows that the encoder is broken."""

PROOF_S = 30.0
"""A chunk of another source that was encoded proves for this long that it is not."""

FLOAT16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """Output of an encoder for one chunk."""

    vector: NDArray[np.float32] | None  # [F] pooled summary, for the decider
    context: NDArray[Any] | None  # [n, P, D] image tokens of the frames
    video: NDArray[Any] | None  # [V, D] video tokens
    people: NDArray[np.float32] | None = None  # landmarks, as `cornerman_pose.wire` packs them
    poses_computed: int = 0  # people for whom the landmark net ran
    poses_reused: int = 0  # people whose landmarks came from an earlier chunk with the same frame
    prepare_s: float = 0.0  # part of the batch's time that made pixels for the model; 0 = not apart


def is_broken(failed: Sequence[str], worked_at_s: Mapping[str, float], now_s: float) -> bool:
    """Whether the encoder is broken, or only the chunks of one source are.

    Args:
        failed: sources of the chunks that failed in a row.
        worked_at_s: when a chunk of a source was encoded last.
        now_s: of the same clock.
    """
    if len(failed) < MAX_FAILURES:
        return False
    failing = set(failed)
    proofs = [name for name, at_s in worked_at_s.items() if now_s - at_s <= PROOF_S and name not in failing]
    return len(failing) > 1 or not proofs


def n_frames(chunk: Chunk) -> int:
    """The number of frames that a message must have: 8 of a chunk, of other looks as many as it has times."""
    return CHUNK_FRAMES if chunk.look == "chunk" else len(chunk.frame_pts_s)


def checked(frames: NDArray[Any], count: int = CHUNK_FRAMES, look: str = "chunk") -> Pixels:
    """Checks shape and dtype of the frames of a look of `count` frames.

    Raises:
        PoisonError: wrong shape or dtype; retrying is useless.
    """
    wanted = f"a {look} has uint8 [{count}, H, W, 3]"
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[0] != count or frames.shape[3] != 3:
        raise PoisonError(f"frames are {frames.dtype} {list(frames.shape)}; {wanted}")
    if 0 in frames.shape:
        raise PoisonError(f"frames are {list(frames.shape)}, which has no pixels; {wanted}")
    return frames


def unread(model: str, chunk: Chunk) -> str:
    """Why a model cannot encode a look, with the remedy."""
    return (
        f"the encoder {model!r} reads no looks of {n_frames(chunk)} frames ({chunk.look} {chunk.seq} of "
        f"{chunk.source_id}); set watch.frames to a number that it reads, 8 or 16 for mobile_videogpt, or "
        "generator.backend to one that looks at frames"
    )


def groups_of_equal_size(frames: Iterable[Pixels]) -> list[list[int]]:
    """Groups positions of chunks by frame size, so that each group can be stacked; keeps their order."""
    found: dict[Hashable, list[int]] = {}
    for position, pixels in enumerate(frames):
        found.setdefault(pixels.shape, []).append(position)
    return list(found.values())


def compact(tokens: NDArray[np.float32]) -> NDArray[Any]:
    """Converts tokens to float16 if every value fits, which keeps bfloat16 precision; else leaves them float32."""
    largest = float(np.abs(tokens).max(initial=0.0))
    return tokens.astype(np.float16) if largest <= FLOAT16_MAX else tokens
