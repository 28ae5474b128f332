"""Context of a source: the newest chunks, which the next request is about. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import BlobRef, ChunkRef


def push(context: tuple[ChunkRef, ...], chunk: ChunkRef, limit: int, timeout_s: float) -> tuple[ChunkRef, ...]:
    """The context with `chunk` added.

    Args:
        limit: chunks kept at most.
        timeout_s: chunks more than this much older than the new one are dropped; 0 = kept at any age.
    """
    kept = [old for old in context if timeout_s == 0 or chunk.pts_s - old.pts_s <= timeout_s]
    return (*kept, chunk)[-limit:]


def blobs_of(chunks: tuple[ChunkRef, ...]) -> tuple[BlobRef, ...]:
    """Every blob that the chunks refer to."""
    return tuple(ref for chunk in chunks for ref in (chunk.context, chunk.video, chunk.frames) if ref)
