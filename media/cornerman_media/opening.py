"""Opens media by FFmpeg, within limits of protocol and time, and explains failures."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import av
import av.container
import av.error

from cornerman_media.boxes import absurd_run, is_iso
from cornerman_media.errors import UnreadableError
from cornerman_media.picture_decoder import MAX_PIXELS

MediaSource: TypeAlias = str | Path | BinaryIO
"""A path, a URL, or an open binary file (of a client of our own, or of memory)."""

# What FFmpeg may open in turn: a playlist from the network must not reach files, a file must not reach the network.
PROTOCOLS: Final = {
    "file": "file,crypto,data",
    "http": "http,https,httpproxy,tls,tcp,crypto,data",
    "rtsp": "rtsp,rtsps,rtp,rtcp,udp,tcp,tls,srtp,http,https",
    "device": "file",
}
_NETWORK: Final = {"http": "http", "https": "http", "rtsp": "rtsp", "rtsps": "rtsp"}
DEVICE_FORMATS: Final = frozenset({"v4l2", "video4linux2", "avfoundation"})
"""Cameras of this machine: their path is not a file."""

PROBED_STREAMS: Final = 64
"""Streams of a container whose probing is bounded; FFmpeg takes one set of options for each."""

READ_AGAIN: Final = 8
"""So many reads of a damaged file fail in a row until it is taken for its end."""

_UNDECODED: Final = {"codec_whitelist": "none", "analyzeduration": "1000000", "probesize": "1000000"}
"""FFmpeg reads what a stream says of itself, a second or a megabyte of it, and opens no decoder."""

_TEXT_FORMATS: Final = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg renders any text file as a picture


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How media is opened.

    Args:
        shown: its name in messages, without credentials; "" = the file's name, or the URL's host.
        format: FFmpeg's name of the format; None = found out.
        options: more options for FFmpeg's demuxer and protocol.
        protocols: what FFmpeg may open in turn, see `PROTOCOLS`; "" = what fits the source.
        max_pixels: larger pictures are refused before memory is given to them.
        open_timeout_s: opening takes this long at most, seconds.
        read_timeout_s: one read takes this long at most, seconds.
        follow: a file is being written: its end is reached when nothing was added for `read_timeout_s`.
    """

    shown: str = ""
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    protocols: str = ""
    max_pixels: int = MAX_PIXELS
    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    follow: bool = False


def local_path(source: MediaSource) -> Path | None:
    """The file of this machine that a source names; None for URLs and open files."""
    if isinstance(source, Path):
        return source.expanduser()
    if not isinstance(source, str):
        return None
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    if "://" in source:
        return None
    return Path(source).expanduser()


def shown_name(source: MediaSource, options: OpenOptions) -> str:
    """What messages call the source."""
    if options.shown:
        return options.shown
    path = local_path(source)
    if path is not None:
        return path.name or str(path)
    if not isinstance(source, str):
        return str(getattr(source, "name", "the open file"))
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def open_container(source: MediaSource, options: OpenOptions) -> av.container.InputContainer:
    """Opens it; blocks for `options.open_timeout_s` at most.

    Raises:
        UnreadableError: with FFmpeg's error as its cause, if FFmpeg was asked.
    """
    shown = shown_name(source, options)
    path = local_path(source)
    target: str | BinaryIO
    if path is not None and options.format not in DEVICE_FORMATS:
        check_file(path, shown)
        target, protocols = f"file:{path}", PROTOCOLS["file"]
    elif isinstance(source, str):
        scheme, colon, rest = source.partition(":")
        target = scheme.lower() + colon + rest if "://" in source else source  # FFmpeg knows lower case only
        protocols = PROTOCOLS[_NETWORK.get(scheme.lower(), "device")]
    else:
        assert not isinstance(source, Path)
        target, protocols = source, PROTOCOLS["file"]
    wanted = {"protocol_whitelist": options.protocols or protocols, **options.options}
    if options.follow and path is not None:
        wanted |= {"follow": "1", "seekable": "0"}  # its index, if it has one, is not there yet
    try:
        container = _probed(target, wanted, options, shown)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableError(f"{shown}: {_why(error, path)}") from error
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise UnreadableError(f"{shown}: it is text, not a video; give a video")
    return container


def _probed(
    target: str | BinaryIO, wanted: dict[str, str], options: OpenOptions, shown: str
) -> av.container.InputContainer:
    common: dict[str, Any] = {
        "format": options.format,
        "container_options": wanted,
        "metadata_errors": "replace",
        "timeout": (options.open_timeout_s, options.read_timeout_s),
    }
    try:
        return av.open(target, stream_options=[codec_options(options)] * PROBED_STREAMS, **common)
    except ValueError as error:
        if "stream_options" not in str(error):
            raise
    # FLV and MPEG programs show their streams only while they are probed, by decoders without a limit: first the sizes.
    _rewind(target)
    with av.open(target, **{**common, "container_options": {**wanted, **_UNDECODED}}) as container:
        for video in container.streams.video:
            if video.codec_context is not None:  # FFmpeg has a decoder for it
                check_size(video.codec_context.width, video.codec_context.height, shown, options)
    _rewind(target)
    return av.open(target, **common)


def _rewind(target: str | BinaryIO) -> None:
    if not isinstance(target, str):
        target.seek(0)


def codec_options(options: OpenOptions) -> dict[str, str]:
    """Options for every decoder of this input, also for those that FFmpeg opens to find out what it is."""
    return {"max_pixels": str(options.max_pixels)}


def check_size(width: int, height: int, shown: str, options: OpenOptions) -> None:
    """Refuses a video whose pictures are too large.

    Raises:
        UnreadableError: names its size and the limit.
    """
    if width * height > options.max_pixels:
        raise UnreadableError(
            f"{shown}: its pictures have {width} x {height} pixels; at most {options.max_pixels:,} in all are decoded; "
            "make it smaller, e.g. `ffmpeg -i IN -vf scale=1920:-2 OUT.mp4`"
        )


def undecodable(max_pixels: int) -> str:
    """Why none of several pictures was decoded, and the remedy, where the decoder does not say which it is."""
    return (
        f"its pictures are damaged, or have more than {max_pixels:,} pixels, the most that are decoded; "
        "record it again, or make it smaller"
    )


def check_file(path: Path, shown: str) -> None:
    """Refuses a path that FFmpeg would refuse vaguely, and pipes, which would block without end.

    Raises:
        UnreadableError: it is not a file with bytes in it.
    """
    if str(path) == "-":
        raise UnreadableError("-: standard input cannot be read as a video; write it into a file, and give that")
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UnreadableError(f"{shown}: there is no such file; check the path") from None
    except OSError as error:
        raise UnreadableError(f"{shown}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise UnreadableError(f"{shown!r} is not a path; give a video file") from None
    if stat.S_ISDIR(found.st_mode):
        raise UnreadableError(f"{shown}: it is a folder; give a video file in it")
    if stat.S_ISFIFO(found.st_mode):
        raise UnreadableError(f"{shown}: it is a pipe, which cannot be read twice; write it into a file, and give that")
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableError(f"{shown}: it is neither a file nor a camera; give a video file or /dev/video0")
    if found.st_size == 0:
        raise UnreadableError(f"{shown}: the file is empty (0 bytes); record it again")
    try:
        absurd = is_iso(path) and absurd_run(path)
    except OSError as error:
        raise UnreadableError(f"{shown}: cannot be read ({error.strerror})") from None
    if absurd:
        raise UnreadableError(f"{shown}: it is damaged (a fragment promises more than it holds); record it again")


def plain(error: BaseException) -> str:
    """FFmpeg's own words, without error number and URL."""
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _why(error: BaseException, path: Path | None) -> str:
    if isinstance(error, av.error.PermissionError):
        return "permission denied; let this user read it"
    if isinstance(error, (av.error.DemuxerNotFoundError, av.error.ProtocolNotFoundError)):
        return f"this build of FFmpeg cannot read it ({plain(error)})"
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
        return "no answer in time; check host, port and network"
    if path is not None:
        return (
            f"not a video that can be read ({plain(error)}): it is damaged, cut short, or no video; try `ffprobe` on it"
        )
    return f"no video can be read from there ({plain(error)}); check the address"
