"""What people type as a source, to the URL and the id that capture knows it by."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from urllib.parse import urlsplit

from cornerman_capture.sources.address import KNOWN, parse
from cornerman_capture.sources.errors import BrokenError
from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import redact_url

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_file(url: str) -> bool:
    """Is this, as `normal` gives it, a file of this machine?"""
    return parse(url).kind == "file"


def normal(text: str) -> str:
    """A file becomes its absolute path, `0` the first camera; URLs stay.

    Raises:
        ConfigError: no such file, or nothing that capture could open.
    """
    url = f"device:{text}" if text.isdecimal() else text
    try:
        address = parse(url)
    except BrokenError as error:
        raise ConfigError(str(error)) from None
    if address.kind != "file":
        return url
    path = Path(address.target).expanduser().absolute()
    if not path.exists():
        raise ConfigError(f"source {redact_url(text)!r}: there is no such file; give {KNOWN}")
    if path.is_dir():
        raise ConfigError(f"source {text!r} is a folder; give the video files in it, e.g. {text.rstrip('/')}/*.mp4")
    return str(path)


def id_of(url: str, taken: Container[str] = ()) -> str:
    """A readable id for a source that was given none: the file's name, or the host; numbered when taken.

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
    name = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:48].strip("-._") or "source"
    number, free = 2, name
    while free in taken:
        free = f"{name}-{number}"
        number += 1
    return free


def length_s(url: str) -> float | None:
    """Length of a video file, seconds; None when it says none or cannot be read. Capture will say what is wrong."""
    import av

    if not is_file(url):
        return None
    try:
        with av.open(url) as container:
            return container.duration / av.time_base if container.duration else None
    except (av.FFmpegError, OSError):
        return None
