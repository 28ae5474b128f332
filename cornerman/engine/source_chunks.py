"""The chunks of a source, decoded by capture's own decoder in a thread, as an async iterator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Final

from cornerman_capture.core import DecodePlan
from cornerman_capture.preview import PreviewEncoder
from cornerman_capture.source_decoder import SourceDecoder
from cornerman_capture.sources.opening import SourceOpener
from cornerman_common.looks import look_plan
from cornerman_shared.errors import SourceError

if TYPE_CHECKING:
    from cornerman_capture.core import PendingChunk
    from cornerman_shared.clock import Clock
    from cornerman_shared.settings.source import SourceSpec
    from cornerman_shared.settings.tree import CaptureSettings

JOIN_S: Final = 1.0
LIVE: Final = ("rtsp:", "rtsps:", "http:", "https:", "device:", "/dev/video")


async def source_chunks(
    spec: SourceSpec,
    settings: CaptureSettings,
    clock: Clock,
    note: Callable[[str], None] = lambda text: None,
    unseen: Callable[[str, str], None] = lambda state, detail: None,
) -> AsyncGenerator[PendingChunk, None]:
    """Yields the chunks of a file, or of a live source the newest each time. Ends with the source.

    Args:
        note: called at the end with what people should know of the source: broken packets, a missing end.
        unseen: called at the end if no picture has come, with the source's state and its reason.

    Raises:
        SourceError: it cannot be opened or decoded; says why.
    """
    watch = spec.watch
    plan = DecodePlan(
        look=look_plan(spec),
        lossless=watch.lossless,
        realtime=watch.realtime,
        loop=watch.loop,
        can_fail=not (spec.url.lower().startswith(LIVE) or watch.follow),
        give_up_s=watch.give_up_s,
    )
    previews = PreviewEncoder(clock, settings.display_width, settings.display_quality)
    decoder = SourceDecoder(plan, SourceOpener(spec.url, settings, follow=watch.follow), settings, clock, previews)
    decoder.start()
    try:
        while (chunk := await decoder.chunks.get()) is not None:
            yield chunk
        if decoder.state.name == "failed":
            raise SourceError(f"{spec.source_id}: {decoder.state.detail}")
        if decoder.state.name == "ended" and decoder.state.detail:
            note(decoder.state.detail)
    finally:
        if not decoder.chunker.captured:
            unseen(decoder.state.name, decoder.state.detail)
        decoder.stop()
        await asyncio.to_thread(decoder.join, JOIN_S)
