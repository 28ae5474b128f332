"""Opens a source by its URL."""

from __future__ import annotations

from cornerman_capture.source_state import BrokenError
from cornerman_capture.sources.address import parse
from cornerman_capture.sources.avfeed import AvSource
from cornerman_capture.sources.base import FrameSource
from cornerman_capture.sources.pattern import PatternSource
from cornerman_capture.sources.push import Inbox, PushSource
from cornerman_shared.settings.tree import CaptureSettings


def open_source(url: str, settings: CaptureSettings, inbox: Inbox | None = None) -> FrameSource:
    """Opens what the URL names; blocks for `settings.open_timeout_s` at most.

    Args:
        url: see docs/sources.md.
        settings: sizes and limits.
        inbox: where pushed frames arrive; needed for push:// only.

    Raises:
        BrokenError: with what happened and what to do.
    """
    address = parse(url)
    if address.kind == "test":
        return PatternSource(address)
    if address.kind == "push":
        if inbox is None:
            raise BrokenError(f"{address.shown}: frames can be pushed through the gateway only", final=True)
        return PushSource(inbox)
    if address.kind == "file" and not settings.allow_files:
        raise BrokenError(f"{address.shown}: files are switched off here (capture.allow_files = false)", final=True)
    return AvSource(address, settings)
