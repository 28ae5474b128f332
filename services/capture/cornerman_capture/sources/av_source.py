"""Sources opened by FFmpeg: files, http(s) with HLS and MJPEG, rtsp(s), local cameras.

Opening and reading have timeouts that interrupt FFmpeg.
"""

from __future__ import annotations

import errno
import stat
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
import av.error

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.base import DecodedFrame, StreamInfo
from cornerman_capture.sources.errors import error_text, opening_error, reading_error

if TYPE_CHECKING:
    from cornerman_capture.sources.address import Address
    from cornerman_capture.sources.base import Interrupted
    from cornerman_shared.settings.tree import CaptureSettings

QUIET_TIMES: Final = 2.0
"""A connection silent for this many times `stall_s` is closed and opened again."""

BROKEN_MAX: Final = 300
"""A source with more undecodable packets in a row is given up."""

# Protocols that FFmpeg may follow: a playlist from the network must not open files, nor a file the network.
_PROTOCOLS: Final = {
    "file": "file,crypto,data",
    "http": "http,https,httpproxy,tls,tcp,crypto,data",
    "rtsp": "rtsp,rtsps,rtp,rtcp,udp,tcp,tls,srtp,http,https",
    "device": "file",
}
# Formats whose every byte comes from the address itself; playlists and session descriptions name other addresses.
_ONE_FILE_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,flv,avi,mpjpeg,mjpeg,jpeg_pipe,png_pipe,webp_pipe,h264,hevc,m4v,"
    "ogg,asf,gif,ivf"
)
_TEXT_FORMATS: Final = {"tty", "bin", "xbin", "adf", "idf"}  # formats that render any text file as a picture
_MJPEG_FORMATS: Final = {"mpjpeg", "mjpeg", "jpeg_pipe"}


class AvSource:
    """A source opened by FFmpeg. Decodes in the iterating thread and in FFmpeg's own threads."""

    def __init__(self, address: Address, settings: CaptureSettings) -> None:
        """Opens the source; blocks for at most `settings.open_timeout_s` seconds.

        Raises:
            BrokenError: names the cause and the remedy.
        """
        self._address = address
        self._read_limit_s = settings.open_timeout_s if address.kind == "file" else QUIET_TIMES * settings.stall_s
        if address.kind == "file":
            _check_file(address)
        self._container = _open(address, settings, self._read_limit_s)
        try:
            self._stream = self._video_stream()
            self.info = self._read_info()
        except BaseException:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        # Other tracks of a camera are read: their packets show that only the picture has stopped.
        watched = self.info.live and not self.info.paced
        if not watched and hasattr(av.stream, "Discard"):  # PyAV 16 or later; else other HLS variants are downloaded
            for stream in self._container.streams:
                if stream is not self._stream:
                    stream.discard = av.stream.Discard.all
        self._by_arrival = self.info.live and self._container.format.name in _MJPEG_FORMATS
        self._broken = 0

    @property
    def note(self) -> str:
        """How many broken packets were skipped, for users."""
        return f"{self._broken} broken packets were skipped" if self._broken else ""

    def frames(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        """See `FrameSource.frames`. `interrupted` is polled between frames."""
        frame = None
        for frame in self._decode(interrupted):
            yield frame
        if frame is None and not self.info.live and not interrupted():
            raise BrokenError(
                f"{self._address.shown}: no frame of it can be decoded ({self.note or 'it has none'}); "
                "record it again, or give another video",
                final=self._address.kind == "file",
            )

    def _decode(self, interrupted: Interrupted) -> Iterator[DecodedFrame]:
        broken_in_a_row = 0
        packets = self._container.demux()
        picture_at_s = time.monotonic()
        while not interrupted():
            try:
                packet = next(packets, None)
                if packet is None:
                    return
            except av.error.FFmpegError as error:
                if self._address.kind == "file":
                    self._broken += 1  # a damaged file ends here; the part before has been played
                    return
                raise reading_error(error, self._address, self._read_limit_s) from None
            if packet.stream.index != self._stream.index:
                self._check_picture(picture_at_s)
                continue
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                self._broken += 1
                broken_in_a_row += 1
                if broken_in_a_row > BROKEN_MAX:
                    raise BrokenError(
                        f"{self._address.shown}: {BROKEN_MAX} packets in a row cannot be decoded "
                        f"({error_text(error)}); is the stream encrypted or damaged?",
                        final=self._address.kind == "file",
                    ) from None
                continue
            for frame in frames:
                broken_in_a_row = 0
                picture_at_s = time.monotonic()
                raw_s = time.monotonic() if self._by_arrival else frame.time
                yield DecodedFrame(raw_s, partial(_identity, frame))

    def _check_picture(self, picture_at_s: float) -> None:
        """Raises BrokenError if a live source sent no picture since `picture_at_s` for the read limit."""
        if self.info.live and time.monotonic() - picture_at_s > self._read_limit_s:
            raise BrokenError(
                f"{self._address.shown}: no picture for {self._read_limit_s:g} s, only other tracks (sound); "
                "does the camera still film?",
                final=False,
            )

    def close(self) -> None:
        """Closes the connection or file."""
        self._container.close()

    def _video_stream(self) -> av.VideoStream:
        if self._container.format.name in _TEXT_FORMATS:
            raise BrokenError(f"{self._address.shown}: it is text, not a video; give a video", final=True)
        videos = [s for s in self._container.streams.video if not _is_cover(s)]
        if not videos:
            kinds = sorted({s.type for s in self._container.streams}) or ["nothing"]
            raise BrokenError(
                f"{self._address.shown}: there is no video in it, only {', '.join(kinds)}; give one with a picture",
                final=True,
            )
        best = self._container.streams.best("video")
        stream = best if best in videos else videos[0]
        if stream.codec_context is None:
            raise BrokenError(f"{self._address.shown}: this build of FFmpeg has no decoder for its video", final=True)
        return stream

    def _read_info(self) -> StreamInfo:
        duration = self._container.duration
        duration_s = duration / av.time_base if duration and duration > 0 else None
        name = self._container.format.name
        hls = name == "hls"
        match self._address.kind:
            case "file":
                live = False
            case "http":
                # A live playlist has no duration; an endless stream has no size either.
                live = duration_s is None and (hls or name == "mpjpeg" or _size(self._container) <= 0)
            case _:
                live = True
        rate = self._stream.average_rate or self._stream.guessed_rate
        return StreamInfo(
            live=live,
            paced=live and hls,
            nominal_s=float(1 / rate) if rate else 0.0,
            pixel_aspect=self._stream.codec_context.sample_aspect_ratio,
            duration_s=None if live else duration_s,
        )


def _open(address: Address, settings: CaptureSettings, read_limit_s: float) -> av.container.InputContainer:
    target, form, options = _open_arguments(address, settings)
    limit_s = settings.open_timeout_s
    began_s = time.monotonic()
    try:
        return av.open(target, format=form, container_options=options, timeout=(limit_s, read_limit_s))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # The original message may hold the URL with credentials, so it is not chained.
        broken = opening_error(error, address, time.monotonic() - began_s, limit_s, "tls_verify" in options)
        raise (_link_refusal(error, address, broken) if "format_whitelist" in options else broken) from None


def _open_arguments(address: Address, settings: CaptureSettings) -> tuple[str, str | None, dict[str, str]]:
    """Arguments of `av.open`: target, format (None = probe), options."""
    options = {"protocol_whitelist": _PROTOCOLS[address.kind]}
    if address.kind == "http" and not settings.follow_links:
        options |= {"max_redirects": "0", "format_whitelist": _ONE_FILE_FORMATS}
    if settings.tls_ca_file and address.kind in ("http", "rtsp"):
        options |= _trust(address, settings.tls_ca_file)
    match address.kind:
        case "file":
            return f"file:{address.target}", None, options
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


def _check_file(address: Address) -> None:
    """Checks a path with clearer messages than FFmpeg's, and refuses pipes, which would block without end.

    Raises:
        BrokenError: not a readable file with content.
    """
    path = Path(address.target)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise BrokenError(
            f"{address.shown}: there is no such file; give the path as capture sees it", final=True
        ) from None
    except OSError as error:
        raise BrokenError(f"{address.shown}: cannot be read ({error.strerror})", final=True) from None
    except ValueError:
        raise BrokenError(f"{address.shown!r} is not a path", final=True) from None
    if stat.S_ISDIR(found.st_mode):
        raise BrokenError(f"{address.shown}: it is a folder; give a video file in it", final=True)
    if not stat.S_ISREG(found.st_mode):
        raise BrokenError(
            f"{address.shown}: it is neither a file nor a camera; give a video file or /dev/video0", final=True
        )
    if found.st_size == 0:
        raise BrokenError(f"{address.shown}: the file is empty (0 bytes)", final=True)


def _identity(frame: av.VideoFrame) -> av.VideoFrame:
    return frame


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether the stream is the cover art of a music file, which FFmpeg lists as video."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _size(container: av.container.InputContainer) -> int:
    try:
        return int(container.size)
    except (av.error.FFmpegError, OSError, ValueError):
        return -1
