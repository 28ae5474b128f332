"""Opens a source by its URL."""

from __future__ import annotations

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.address import parse
from cornerman_capture.sources.base import FrameSource
from cornerman_capture.sources.pattern import PatternSource
from cornerman_capture.sources.push import Inbox, PushSource
from cornerman_shared.settings.tree import CaptureSettings


class SourceOpener:
    """Opens one source, again after each break.

    An http address is looked at first: MJPEG is read by our own splitter, everything else by FFmpeg. Once FFmpeg has
    read it, it is not looked at again, which costs a connection.

    Args:
        url: see docs/sources.md.
        settings: sizes and limits.
        inbox: receives pushed frames; required for push:// only.
        follow: a file is being written; its end is waited for.
    """

    def __init__(
        self, url: str, settings: CaptureSettings, inbox: Inbox | None = None, *, follow: bool = False
    ) -> None:
        self._url, self._settings, self._inbox, self._follow = url, settings, inbox, follow
        self._by_ffmpeg = False

    def __call__(self) -> FrameSource:
        """Opens it; blocks for at most `settings.open_timeout_s` seconds for a connection.

        Raises:
            BrokenError: names the cause and the remedy.
        """
        address, settings = parse(self._url), self._settings
        if address.kind == "test":
            return PatternSource(address)
        if address.kind == "push":
            if self._inbox is None:
                raise BrokenError(f"{address.shown}: frames can be pushed only through the gateway", final=True)
            return PushSource(self._inbox)
        if address.kind == "file" and not settings.allow_files:
            raise BrokenError(f"{address.shown}: files are switched off here (capture.allow_files = false)", final=True)
        # FFmpeg is loaded with the first source that needs it, in the source's own thread.
        from cornerman_capture.sources.av_source import AvSource, open_mjpeg

        if address.kind == "http" and not self._by_ffmpeg and (camera := open_mjpeg(address, settings)) is not None:
            return camera
        self._by_ffmpeg = False
        source = AvSource(address, settings, follow=self._follow and address.kind == "file")
        self._by_ffmpeg = True
        return source


def open_source(url: str, settings: CaptureSettings, inbox: Inbox | None = None) -> FrameSource:
    """Opens the source of a URL once, see `SourceOpener`."""
    return SourceOpener(url, settings, inbox)()
