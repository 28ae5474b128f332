"""The chunks a source's next words would be about: the newest few, none too old. Pure."""

from __future__ import annotations

from cornerman_shared.bus.messages import BlobRef, ChunkRef


def push(context: tuple[ChunkRef, ...], chunk: ChunkRef, limit: int, timeout_s: float) -> tuple[ChunkRef, ...]:
    """The context with `chunk` added: at most `limit` chunks, none more than `timeout_s` older than it (0 = any
    age)."""
    kept = [old for old in context if timeout_s == 0 or chunk.pts_s - old.pts_s <= timeout_s]
    return (*kept, chunk)[-limit:]


def blobs_of(chunks: tuple[ChunkRef, ...]) -> tuple[BlobRef, ...]:
    """Every blob the chunks point at."""
    return tuple(ref for chunk in chunks for ref in (chunk.context, chunk.video, chunk.frames) if ref)
