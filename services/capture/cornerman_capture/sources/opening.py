"""Opens a source by its URL."""

from __future__ import annotations

from cornerman_shared.settings.tree import CaptureSettings

from cornerman_capture.source_state import BrokenError
from cornerman_capture.sources.address import parse
from cornerman_capture.sources.avfeed import AvFeed
from cornerman_capture.sources.base import Feed
from cornerman_capture.sources.pattern import PatternFeed
from cornerman_capture.sources.push import Inbox, PushFeed


def open_feed(url: str, settings: CaptureSettings, inbox: Inbox | None = None) -> Feed:
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
        return PatternFeed(address)
    if address.kind == "push":
        if inbox is None:
            raise BrokenError(f"{address.shown}: frames can be pushed through the gateway only", final=True)
        return PushFeed(inbox)
    if address.kind == "file" and not settings.allow_files:
        raise BrokenError(f"{address.shown}: files are switched off here (capture.allow_files = false)", final=True)
    return AvFeed(address, settings)
