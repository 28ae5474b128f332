"""Everything that is said about one source, in this process, as the lines of `run --json`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from cornerman.engine.encoded_chunks import encoded_chunks
from cornerman.engine.watcher import ChunkWatcher
from cornerman.local.event_lines import EventLines, feedback_line
from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.address import parse
from cornerman_capture.sources.opening import open_source
from cornerman_shared.clock import SystemClock
from cornerman_shared.errors import GenerationError
from cornerman_shared.redact import redact_url
from cornerman_shared.text import clean_text

if TYPE_CHECKING:
    from cornerman.engine.models import EngineModels
    from cornerman.local.event_lines import Line
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import CaptureSettings


async def can_wait(url: str, settings: CaptureSettings) -> bool:
    """Whether a source can be read as slowly as we like: a file here or at a server, unlike a camera.

    An `http://` address is opened to find out; one that cannot is taken for a file, so that reading it says why.
    """
    kind = parse(url).kind
    if kind != "http":
        return kind in ("file", "test")
    try:
        source = await asyncio.to_thread(open_source, url, settings)
    except BrokenError:
        return True
    await asyncio.to_thread(source.close)
    return not source.info.live


async def transcription(
    spec: SourceSpec,
    settings: CaptureSettings,
    models: EngineModels,
    note: Callable[[str], None],
    unseen: Callable[[str, str], None],
) -> AsyncGenerator[Line, None]:
    """Yields a line for each decision, feedback and failed request, in order; ends with the source.

    A request that fails is a line of type `error`; the next one is tried all the same.

    Args:
        note: called at the end with what people should know of the source.
        unseen: called at the end if no picture has come, with the source's state and its reason.

    Raises:
        SourceError: the source cannot be opened or decoded.
        StrategyError: the strategy cannot judge.
    """
    clock, lines = SystemClock(), EventLines()
    watcher = ChunkWatcher(spec, models, clock)
    async with aclosing(encoded_chunks(spec, settings, clock, watcher, note, unseen)) as chunks:
        async for chunk in chunks:
            event, request = await watcher.decide(chunk)
            if (line := lines.of(event)) is not None:
                yield line
            if request is None:
                continue
            try:
                said = await watcher.say(request)
            except GenerationError as error:
                message = clean_text(redact_url(str(error)))
                yield {"type": "error", "source_id": spec.source_id, "stage": "generator", "message": message}
                continue
            if said is not None:
                yield feedback_line(said)
