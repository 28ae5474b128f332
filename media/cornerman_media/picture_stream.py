"""Reads JPEG pictures that follow each other over HTTP (MJPEG), however a camera separates them.

FFmpeg gives the bytes, with its own HTTP, TLS and passwords; `JpegSplitter` finds the pictures in them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import av
import av.container
import av.error

from cornerman_media.errors import StreamLostError
from cornerman_media.mjpeg_parts import JpegSplitter
from cornerman_media.opening import OpenOptions, open_container, plain

BYTES_FORMAT: Final = "data"
"""FFmpeg's demuxer that gives bytes as they come."""

_NO_PROBING: Final = {"raw_packet_size": "16384", "probesize": "32", "analyzeduration": "0"}
_HEAD_BYTES: Final = 512
_LEAST_BYTES: Final = 16
_PICTURE: Final = b"\xff\xd8\xff"
_PART_HEADER: Final = re.compile(rb"(?im)^content-(type|length)[ \t]*:")


class PictureStream:
    """An open stream of pictures. Made by `open_pictures`; not for several threads at once.

    Attributes:
        splitter: counts the pictures, also broken ones.
        shown: the address in messages, without credentials.
    """

    def __init__(
        self, container: av.container.InputContainer, chunks: Iterator[bytes], shown: str, quiet_s: float
    ) -> None:
        self.splitter = JpegSplitter()
        self._container, self._chunks = container, chunks
        self.shown, self._quiet_s = shown, quiet_s

    def close(self) -> None:
        """Closes the connection."""
        self._container.close()

    def pictures(self, interrupted: Callable[[], bool]) -> Iterator[bytes]:
        """Complete JPEGs in order; ends at the end of the connection. `interrupted` is asked between reads.

        Raises:
            StreamLostError: the connection broke off, or no picture came for `read_timeout_s`.
        """
        picture_at_s = time.monotonic()
        try:
            for data in self._chunks:
                if interrupted():
                    return
                found = self.splitter.feed(data)
                now_s = time.monotonic()
                if found:
                    picture_at_s = now_s
                elif now_s - picture_at_s > self._quiet_s:
                    raise StreamLostError(
                        f"{self.shown}: bytes come, and no whole picture for {self._quiet_s:g} s; open it again"
                    )
                yield from found
        except (av.error.FFmpegError, OSError) as error:
            if isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
                raise StreamLostError(f"{self.shown}: nothing came for {self._quiet_s:g} s") from error
            raise StreamLostError(f"{self.shown}: broke off ({plain(error)})") from error


def open_pictures(url: str, options: OpenOptions) -> PictureStream | None:
    """Opens a URL and looks at its first bytes; None if they are not a stream of pictures.

    A single picture of known size is not one.

    Raises:
        UnreadableError: it cannot be opened.
    """
    allowed = options.options.get("format_whitelist")
    more = {"format_whitelist": f"{allowed},{BYTES_FORMAT}"} if allowed else {}
    wanted = replace(options, format=BYTES_FORMAT, options={**options.options, **_NO_PROBING, **more})
    container = open_container(url, wanted)
    try:
        chunks = (bytes(packet) for packet in container.demux())
        head = b""
        for data in chunks:
            head += data
            if len(head) >= _LEAST_BYTES or not data:
                break
        single = head.startswith(_PICTURE) and container.size > 0
        if single or not are_pictures(head):
            container.close()
            return None
    except (av.error.FFmpegError, OSError):
        container.close()
        return None
    except BaseException:
        container.close()
        raise
    return PictureStream(container, _joined(head, chunks), options.shown or url, options.read_timeout_s)


def are_pictures(head: bytes) -> bool:
    """Whether bytes are the beginning of an MJPEG stream: a picture, a boundary, or the headers of a part.

    >>> are_pictures(b"Content-Type: image/jpeg"), are_pictures(b"<html>")
    (True, False)
    """
    head = head[:_HEAD_BYTES].lstrip(b"\r\n")
    return head.startswith((_PICTURE, b"--")) or _PART_HEADER.search(head) is not None


def _joined(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks
