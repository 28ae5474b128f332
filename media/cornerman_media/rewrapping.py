"""Turns a film that was written live, in fragments, into one with an index, so that every player can seek in it."""

from __future__ import annotations

import secrets
from pathlib import Path

import av
import av.error

from cornerman_media.errors import WriteError


def rewrap(path: Path) -> None:
    """Writes the packets again, undecoded, and replaces the file in one step.

    Raises:
        WriteError: it cannot be done; the file is as it was.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    try:
        with av.open(str(path)) as source, av.open(str(part), "w") as target:
            video = source.streams.video[0]
            copy = target.add_stream_from_template(video)
            for packet in source.demux(video):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
        part.replace(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise WriteError(f"{path} keeps its fragments, in which some players cannot seek ({error})") from error
