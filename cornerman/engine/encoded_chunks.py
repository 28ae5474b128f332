"""The chunks of a source, encoded ahead of their turn while earlier ones are judged and spoken about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final

from cornerman.engine.source_chunks import source_chunks
from cornerman_shared.aio import cancel_all

if TYPE_CHECKING:
    from cornerman.engine.watcher import ChunkWatcher, EncodedChunk
    from cornerman_capture.core import PendingChunk
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import CaptureSettings

AHEAD: Final = 2
"""Chunks that may be encoded while an earlier one is spoken about."""

EncodedQueue = asyncio.Queue["EncodedChunk | BaseException | None"]


async def encoded_chunks(
    spec: SourceSpec,
    settings: CaptureSettings,
    clock: Clock,
    watcher: ChunkWatcher,
    note: Callable[[str], None] = lambda text: None,
    unseen: Callable[[str, str], None] = lambda state, detail: None,
) -> AsyncGenerator[EncodedChunk, None]:
    """Yields the encoded chunks of a source in order; ends with the source. A live one is read one chunk ahead only.

    Args:
        watcher: encodes them, in a thread.
        note, unseen: see `source_chunks`.

    Raises:
        SourceError: the source cannot be opened or decoded.
        PoisonError: a chunk cannot be encoded.
    """
    chunks: EncodedQueue = asyncio.Queue(AHEAD if spec.watch.lossless else 1)
    pending = source_chunks(spec, settings, clock, note, unseen)
    encoding = asyncio.ensure_future(_encode(pending, chunks, watcher, spec.watch.lossless))
    try:
        while (item := await chunks.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        await cancel_all(encoding)


async def _encode(
    source: AsyncGenerator[PendingChunk, None], out: EncodedQueue, watcher: ChunkWatcher, lossless: bool
) -> None:
    """Encodes all chunks of `source`; the last item is None or an error."""
    try:
        async for pending in source:
            await out.put(await asyncio.to_thread(watcher.encode, pending, lossless=lossless))
        await out.put(None)
    except Exception as error:
        await out.put(error)
    finally:
        await source.aclose()
