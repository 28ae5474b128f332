"""Opens a source by its URL."""

from __future__ import annotations

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.address import parse
from cornerman_capture.sources.base import FrameSource
from cornerman_capture.sources.pattern import PatternSource
from cornerman_capture.sources.push import Inbox, PushSource
from cornerman_shared.settings.tree import CaptureSettings


def open_source(url: str, settings: CaptureSettings, inbox: Inbox | None = None) -> FrameSource:
    """Opens the source of a URL; blocks for at most `settings.open_timeout_s` seconds.

    Args:
        url: see docs/sources.md.
        settings: sizes and limits.
        inbox: receives pushed frames; required for push:// only.

    Raises:
        BrokenError: names the cause and the remedy.
    """
    address = parse(url)
    if address.kind == "test":
        return PatternSource(address)
    if address.kind == "push":
        if inbox is None:
            raise BrokenError(f"{address.shown}: frames can be pushed only through the gateway", final=True)
        return PushSource(inbox)
    if address.kind == "file" and not settings.allow_files:
        raise BrokenError(f"{address.shown}: files are switched off here (capture.allow_files = false)", final=True)
    # FFmpeg is loaded with the first source that needs it, in the source's own thread.
    from cornerman_capture.sources.av_source import AvSource

    return AvSource(address, settings)
