"""Sources opened by FFmpeg: files, http(s) with HLS and MJPEG, rtsp(s), local cameras.

`cornerman_media` reads them; this module knows addresses and settings, and which errors are worth another attempt.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.base import DecodedFrame, StreamInfo
from cornerman_capture.sources.errors import content_error, opening_error
from cornerman_capture.sources.mjpeg_source import MjpegSource
from cornerman_capture.sources.rtsp_redirect import refuse_redirect
from cornerman_media.errors import MediaError, NoVideoError, UnreadableError
from cornerman_media.interlacing import progressive
from cornerman_media.opening import OpenOptions
from cornerman_media.picture_stream import open_pictures
from cornerman_media.reader import VideoReader, open_video

if TYPE_CHECKING:
    from cornerman_capture.sources.address import Address
    from cornerman_capture.sources.base import Interrupted
    from cornerman_shared.settings.tree import CaptureSettings

QUIET_TIMES: Final = 2.0
"""A connection silent for this many times `stall_s` is closed and opened again, also one that sends only sound."""

# Formats whose every byte comes from the address itself; playlists and session descriptions name other addresses.
_ONE_FILE_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,flv,avi,mpjpeg,mjpeg,jpeg_pipe,png_pipe,webp_pipe,h264,hevc,m4v,"
    "ogg,asf,gif,ivf"
)
_MJPEG_FORMATS: Final = {"mpjpeg", "mjpeg", "jpeg_pipe"}


class AvSource:
    """A source opened by FFmpeg. Decodes in the iterating thread and in FFmpeg's own threads."""

    def __init__(self, address: Address, settings: CaptureSettings, *, follow: bool = False) -> None:
        """Opens the source; blocks for at most `settings.open_timeout_s` seconds.

        Args:
            address: of the source.
            settings: sizes and limits.
            follow: a file is being written: its end comes when nothing was added for as long as a camera may be silent.

        Raises:
            BrokenError: names the cause and the remedy.
        """
        self._address = address
        self._video = _open(address, settings, follow)
        self.info = _info(address, self._video)
        self._by_arrival = self.info.live and self._video.info.container in _MJPEG_FORMATS

    @property
    def note(self) -> str:
        """How many broken packets were skipped, for users."""
        return self._video.note

    def cut_short(self) -> str:
        """See `FrameSource.cut_short`."""
        return self._video.cut_short()

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """See `FrameSource.frames`. `interrupted` is polled between frames."""
        try:
            for frame in self._video.frames(interrupted):
                if self._video.pixel_aspect != self.info.pixel_aspect:
                    self.info = replace(self.info, pixel_aspect=self._video.pixel_aspect)
                raw_s = time.monotonic() if self._by_arrival else frame.raw_s
                yield DecodedFrame(raw_s, partial(progressive, frame.picture), frame.duration_s)
        except NoVideoError as error:
            raise content_error(error, self._address) from None
        except MediaError as error:
            raise BrokenError(str(error), final=False, fault="broke_off") from None
        if self._video.frames_read == 0 and not self.info.live and not interrupted():
            raise BrokenError(
                f"{self._address.shown}: no frame of it can be decoded ({self.note or 'it has none'}); "
                "record it again, or give another video",
                final=False,
            )

    def close(self) -> None:
        """Closes the connection or file."""
        self._video.close()


def _info(address: Address, video: VideoReader) -> StreamInfo:
    known = video.info
    hls = known.container == "hls"
    match address.kind:
        case "file":
            live = False
        case "http":
            # A live playlist has no duration; an endless stream has no size either.
            live = known.duration_s is None and (hls or known.container == "mpjpeg" or not video.has_size)
        case _:
            live = True
    return StreamInfo(
        live=live,
        paced=live and hls,
        nominal_s=known.nominal_s,
        pixel_aspect=known.pixel_aspect,
        duration_s=None if live else known.duration_s,
    )


def _open(address: Address, settings: CaptureSettings, follow: bool) -> VideoReader:
    if address.kind == "file" and _is_missing(address.target):
        raise BrokenError(f"{address.shown}: there is no such file; give the path as capture sees it", final=True)
    target, wanted = _wanted(address, settings)
    if follow:
        wanted = replace(wanted, follow=True, read_timeout_s=QUIET_TIMES * settings.stall_s)
    try:
        with _explained(address, wanted):
            return open_video(target, wanted)
    except BrokenError as error:
        if not follow:
            raise
        what = f"{error}; it is followed, so it is tried again (MKV, TS and fragmented MP4 can be read while they grow)"
        raise BrokenError(what, final=False) from None


def open_mjpeg(address: Address, settings: CaptureSettings) -> MjpegSource | None:
    """Opens an http address if it sends MJPEG; None if it sends anything else, which FFmpeg then reads by itself.

    Raises:
        BrokenError: names the cause and the remedy.
    """
    _target, wanted = _wanted(address, settings)
    with _explained(address, wanted):
        stream = open_pictures(address.target, wanted)
    return None if stream is None else MjpegSource(stream, settings.max_pixels)


def _wanted(address: Address, settings: CaptureSettings) -> tuple[str | Path, OpenOptions]:
    """What to open, and how."""
    if address.kind == "rtsp" and not settings.follow_links:
        refuse_redirect(address, settings.open_timeout_s, settings.tls_ca_file)
    target, form, options = _open_arguments(address, settings)
    limit_s = settings.open_timeout_s
    return target, OpenOptions(
        shown=address.shown,
        format=form,
        options=options,
        max_pixels=settings.max_pixels,
        open_timeout_s=limit_s,
        read_timeout_s=limit_s if address.kind == "file" else QUIET_TIMES * settings.stall_s,
    )


@contextmanager
def _explained(address: Address, wanted: OpenOptions) -> Iterator[None]:
    """Turns errors of opening into `BrokenError`."""
    began_s = time.monotonic()
    try:
        yield
    except UnreadableError as error:
        if error.__cause__ is None:
            raise content_error(error, address) from None
        # FFmpeg's own message may hold the URL with credentials, so it is not chained.
        took_s = time.monotonic() - began_s
        broken = opening_error(error.__cause__, address, took_s, wanted.open_timeout_s, "tls_verify" in wanted.options)
        limited = "format_whitelist" in wanted.options
        raise (_link_refusal(error.__cause__, address, broken) if limited else broken) from None
    except MediaError as error:
        raise content_error(error, address) from None


def _is_missing(path: str) -> bool:
    try:
        Path(path).stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False  # the reader says what is wrong with it
    return False


def _open_arguments(address: Address, settings: CaptureSettings) -> tuple[str | Path, str | None, dict[str, str]]:
    """What to open, its format (None = probe), and FFmpeg's options."""
    options: dict[str, str] = {}
    if address.kind == "http" and not settings.follow_links:
        options |= {"max_redirects": "0", "format_whitelist": _ONE_FILE_FORMATS}
    if settings.tls_ca_file and address.kind in ("http", "rtsp"):
        options |= _trust(address, settings.tls_ca_file)
    match address.kind:
        case "file":
            return Path(address.target), None, options
        case "rtsp":
            options |= {"rtsp_transport": settings.rtsp_transport, "analyzeduration": "2000000"}
            options |= {"timeout": str(int(settings.open_timeout_s * 1e6))}
            return address.target, None, options
        case "device":
            return _camera(address, options)
        case _:
            return address.target, None, options


def _link_refusal(error: BaseException, address: Address, broken: BrokenError) -> BrokenError:
    """The error of a source that may have been refused because it leads elsewhere, with the setting that allows it."""
    number = getattr(error, "errno", None)
    if number == errno.EINVAL:
        return BrokenError(
            f"{address.shown}: what comes from there is no single video file or stream; set capture.follow_links to "
            "play HLS playlists, if all clients that may add sources are trusted",
            final=True,
        )
    if number == errno.EIO and "the server sends no" in str(broken):
        remedy = "if it redirects, give the address that it leads to, or set capture.follow_links"
        return BrokenError(f"{broken}; {remedy}", final=broken.final)
    return broken


def _trust(address: Address, ca_file: str) -> dict[str, str]:
    path = Path(ca_file).expanduser()
    if not path.is_file():
        raise BrokenError(
            f"{address.shown}: capture.tls_ca_file = {ca_file!r}: file not found; give a PEM file of certificates, "
            "such as /etc/ssl/certs/ca-certificates.crt or the camera's own",
            final=True,
        )
    return {"tls_verify": "1", "ca_file": str(path)}


def _camera(address: Address, options: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    # FFmpeg's names of our options.
    names = {"size": "video_size", "fps": "framerate", "format": "input_format"}
    for name, value in address.options.items():
        if name not in names:
            raise BrokenError(
                f"{address.shown}: there is no option {name!r}; cameras know {', '.join(names)}", final=True
            )
        options[names[name]] = value
    number = address.target.removeprefix("/dev/video")
    if sys.platform == "darwin":
        options.setdefault("framerate", "30")  # Apple's cameras refuse AVFoundation's default of 29.97
        return number, "avfoundation", options
    if sys.platform.startswith("linux"):
        return f"/dev/video{number}", "video4linux2", options
    raise BrokenError(
        f"{address.shown}: cameras are supported on Linux and macOS; use rtsp:// or http:// here", final=True
    )
