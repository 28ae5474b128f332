"""Joins the visual tokens of chunks into the block that the language model reads, in the order of its training.

Knows tensors only, nothing of prompts, towers or sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor

from mobile_videogpt.errors import ReplyError

MAX_FRAMES = 16  # context images the published weights were trained with
SAME_FRAME = 1e-3  # relative distance below which two frames' tokens count as one frame (rounding, not motion)


class ChunkTokens(Protocol):
    """One chunk after the projectors, with or without a leading batch dimension of 1."""

    @property
    def context(self) -> Tensor:
        """Image tokens [frames, tokens, D] or [1, frames, tokens, D], in time order."""

    @property
    def video(self) -> Tensor:
        """Video tokens [tokens, D] or [1, tokens, D]."""


def visual_block(
    chunks: Sequence[ChunkTokens],
    frame_ids: Sequence[Sequence[Hashable]] | None = None,
    max_frames: int = MAX_FRAMES,
) -> Tensor:
    """Joins every frame's image tokens once, in time order, and then the chunks' video tokens.

    Chunks of one source overlap. With `frame_ids`, equal ids of two chunks are one frame; without, the last frames so
    far are compared with the first of the next chunk. Of more than `max_frames` frames an evenly spaced choice is
    kept, the first and the newest among them, because the model was trained on frames spread over a clip.

    Args:
        chunks: in time order, at least one.
        frame_ids: for each chunk an id (such as the media time) of each of its frames.
        max_frames: frames that keep their image tokens.

    Returns:
        [1, n, D].

    Raises:
        ReplyError: if shapes do not fit each other.
    """
    if not chunks:
        raise ReplyError("there is no chunk to assemble; pass at least one, or ask without video")
    if frame_ids is not None and len(frame_ids) != len(chunks):
        raise ReplyError(f"{len(frame_ids)} lists of frame ids for {len(chunks)} chunks; pass one for each")
    frames: list[Tensor] = []
    seen: set[Hashable] = set()
    for number, chunk in enumerate(chunks):
        context = _unbatched(chunk.context, 3, f"chunk {number}: context")
        if frame_ids is None:
            frames += context[_overlap(frames, context) :].unbind(0)
            continue
        ids = frame_ids[number]
        if len(ids) != context.shape[0]:
            raise ReplyError(f"chunk {number} has {context.shape[0]} frames but {len(ids)} frame ids")
        # Within one chunk a frame may stand for several moments: a clip of a slow source has fewer frames than places.
        frames += [frame for i, frame in zip(ids, context.unbind(0), strict=True) if i not in seen]
        seen.update(ids)
    video = [_unbatched(chunk.video, 2, f"chunk {n}: video") for n, chunk in enumerate(chunks)]
    block = [*_spread(frames, max_frames), *video]
    widths = {piece.shape[-1] for piece in block}
    if len(widths) != 1:
        raise ReplyError(f"chunks have different widths {sorted(widths)}; encode them with one model")
    # Tokens too large for float16 travel as float32: the widest dtype holds them all.
    dtype = reduce(torch.promote_types, (piece.dtype for piece in block))
    return torch.cat([piece.to(block[0].device, dtype) for piece in block])[None]


def stream_block(chunk: ChunkTokens, frames: int) -> Tensor:
    """A chunk as the model reads it to decide when to speak, [1, n, D].

    Image tokens of its newest `frames` frames in time order, then its video tokens.

    Raises:
        ReplyError: if it has fewer frames.
    """
    context, video = _unbatched(chunk.context, 3, "context"), _unbatched(chunk.video, 2, "video")
    if len(context) < frames:
        raise ReplyError(f"the model decides on {frames} frames of each chunk, and one has {len(context)}")
    return torch.cat([context[len(context) - frames :].flatten(0, 1), video.to(context)])[None]


def fingerprint(block: Tensor) -> bytes:
    """A digest of a tensor's dtype, shape and values; the same in every process."""
    plain = block.detach().to("cpu").contiguous()
    digest = hashlib.blake2b(f"{plain.dtype}{tuple(plain.shape)}".encode(), digest_size=16)
    digest.update(plain.flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def _unbatched(tokens: Tensor, dims: int, what: str) -> Tensor:
    if tokens.dim() == dims + 1 and tokens.shape[0] == 1:
        return tokens[0]
    if tokens.dim() != dims:
        raise ReplyError(
            f"{what} has shape {list(tokens.shape)}; expected {dims} dimensions, or one more of size 1. "
            "Pass the chunks of a batch one by one."
        )
    return tokens


def _overlap(frames: list[Tensor], context: Tensor) -> int:
    """Number of newest `frames` that equal the first frames of `context`."""
    for count in range(min(len(frames), context.shape[0]), 0, -1):
        pairs = zip(frames[-count:], context[:count].unbind(0), strict=True)
        if all(_same(old, new) for old, new in pairs):
            return count
    return 0


def _same(old: Tensor, new: Tensor) -> bool:
    if old.shape != new.shape:
        return False
    old, new = old.float(), new.to(old.device).float()
    return bool((old - new).norm() <= SAME_FRAME * old.norm())


def _spread(frames: list[Tensor], most: int) -> list[Tensor]:
    if len(frames) <= most:
        return frames
    if most == 1:
        return frames[-1:]
    return [frames[round(n * (len(frames) - 1) / (most - 1))] for n in range(most)]
