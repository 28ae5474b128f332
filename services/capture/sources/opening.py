"""Opens a source by its URL."""

from __future__ import annotations

from services.capture.sources.address import parse
from services.capture.sources.avfeed import AvFeed
from services.capture.sources.base import Feed
from services.capture.sources.pattern import PatternFeed
from services.capture.sources.push import Inbox, PushFeed
from services.capture.states import BrokenError
from shared.config import CaptureSettings


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
