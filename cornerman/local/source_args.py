"""Source arguments of the command line: URLs, ids and lengths."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cornerman_capture.broken import BrokenError
from cornerman_capture.sources.address import KNOWN, parse
from cornerman_capture.sources.pattern_options import PatternOptions
from cornerman_shared.errors import SourceError
from cornerman_shared.redact import credentials_fault, redact_url, remember_url
from cornerman_shared.settings.source import SourceSpec

if TYPE_CHECKING:
    from cornerman_shared.settings.tree import CaptureSettings

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_file(url: str) -> bool:
    """True if this URL, as `normal_url` returns it, is a file of this machine."""
    return parse(url).kind == "file"


def ends(spec: SourceSpec) -> bool:
    """True if the source ends by itself, as far as its address tells: a file or an http address, played once."""
    return not spec.watch.loop and parse(spec.url).kind in ("file", "http")  # also one that is followed as it grows


def normal_url(text: str) -> str:
    """The URL of a typed source: an absolute path for a file, `device:0` for `0`; URLs unchanged.

    Raises:
        SourceError: there is no such file, or capture cannot open such a URL.
    """
    if not text.strip():
        raise SourceError(f"source {text!r} is empty; give {KNOWN}")
    url = f"device:{text}" if text.isdecimal() else remember_url(text)
    if fault := credentials_fault(url):
        raise SourceError(f"source {redact_url(text)!r} {fault}")
    try:
        address = parse(url)
        if address.kind == "test":
            PatternOptions.of(address)
    except BrokenError as error:
        raise SourceError(str(error)) from None
    if address.kind != "file":
        return url
    if address.target == "-":
        raise SourceError("source '-': standard input cannot be watched; write it into a file and give that")
    # Capture runs in another process and maybe another folder: paths are absolute.
    path = Path(address.target).expanduser().absolute()
    shown = redact_url(text)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise SourceError(f"source {shown!r}: there is no such file; give {KNOWN}") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"source {shown!r} cannot be read ({getattr(error, 'strerror', error)})") from None
    if stat.S_ISDIR(found.st_mode):
        raise SourceError(f"source {shown!r} is a folder; give the video files in it, e.g. {shown.rstrip('/')}/*.mp4")
    if stat.S_ISFIFO(found.st_mode):
        raise SourceError(f"source {shown!r} is a pipe, which cannot be read twice; write it into a file and give that")
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"source {shown!r} is neither a file nor a camera; give {KNOWN}")
    return str(path)


def camera_fault(url: str, devices: Path = Path("/dev")) -> str:
    """Why this machine has no such camera; "" if it has, or if only opening it would tell.

    >>> camera_fault("device:9", Path("/nowhere"))
    'device:9: this machine has no such camera, and no other either; plug one in'
    """
    address = parse(url)
    number = address.target.removeprefix("/dev/video")
    if address.kind != "device" or not number.isdecimal() or sys.platform != "linux":
        return ""
    there = sorted(devices.glob("video[0-9]*"), key=lambda path: (len(path.name), path.name))
    if devices / f"video{number}" in there:
        return ""
    others = f"it has {', '.join(map(str, there))}" if there else "and no other either; plug one in"
    return f"{url}: this machine has no such camera, {others}"


def fault_of(url: str, capture: CaptureSettings) -> str:
    """Why this file cannot be watched; "" if it can. Whether a URL can be opened is for capture to tell."""
    address = parse(url)
    if address.kind != "file":
        return ""
    from cornerman_media.errors import MediaError  # FFmpeg is slow to import, and a camera does not need it
    from cornerman_media.opening import OpenOptions, open_container
    from cornerman_media.tracks import choose_video

    path = Path(address.target)
    try:
        with open_container(path, OpenOptions(max_pixels=capture.max_pixels)) as container:
            choose_video(container, path.name)
    except MediaError as error:
        return str(error)
    return ""


def id_of(url: str, taken: Container[str] = ()) -> str:
    """A readable id from the URL: the file's name or the host, numbered if it is in `taken`.

    >>> id_of("/videos/Squat side view.mp4")
    'squat-side-view'
    """
    if _SCHEME.match(url):
        parts = urlsplit(url)
        name = parts.hostname or parts.scheme
        stem = Path(parts.path).stem
        name = f"{name}-{stem}" if stem else name
    else:
        name = Path(url).stem
    # Ids are parts of Redis keys and of URLs: a safe alphabet, 48 characters at most.
    name = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:48].strip("-._") or "source"
    number, free = 2, name
    while free in taken:
        free = f"{name}-{number}"
        number += 1
    return free


def length_s(url: str) -> float | None:
    """Length of a video file, seconds; None if unknown. Unreadable files are reported by capture, not here."""
    address = parse(url)
    if address.kind != "file":
        return None
    from cornerman_media import length  # FFmpeg is slow to import, and a camera does not need it

    return length.length_s(Path(address.target))
