"""A browser's camera as a source: checks each picture, and puts it into the source's push stream, a short ring."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgpack

from cornerman_shared.bus import streams
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.errors import CornermanError

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

HEADER = struct.Struct("<d")
MAX_PICTURE_BYTES = 2 * 1024 * 1024
MAX_FPS = 60.0
RING = 90
RING_TTL_S = 60


class PushError(CornermanError):
    """A message from a browser that is not a usable picture; the text names the fault."""


def read_push(message: bytes) -> tuple[float, bytes]:
    """(media time in seconds, picture) of one message: a little-endian float64, then JPEG or WebP bytes.

    Raises:
        PushError: too short, too large, no time, or neither JPEG nor WebP.
    """
    if len(message) < HEADER.size + 12:
        raise PushError(f"a message of {len(message)} bytes holds no picture; send float64 seconds and a JPEG")
    if len(message) > HEADER.size + MAX_PICTURE_BYTES:
        raise PushError(f"a picture of {len(message)} bytes is too large; at most {MAX_PICTURE_BYTES} are taken")
    (pts_s,) = HEADER.unpack_from(message)
    if not 0 <= pts_s < 1e9:
        raise PushError(f"time {pts_s!r} is not a number of seconds since the camera started")
    picture = message[HEADER.size :]
    if not (picture[:3] == b"\xff\xd8\xff" or (picture[:4] == b"RIFF" and picture[8:12] == b"WEBP")):
        raise PushError("the picture is neither JPEG nor WebP")
    return pts_s, picture


async def store_push(bus: Bus, source_id: str, pts_s: float, picture: bytes) -> None:
    """Appends one picture to the ring that `push://` reads."""
    key = bus.keys(source_id).push(source_id)
    body = msgpack.packb({"pts_s": pts_s, "jpeg": picture})
    with patient_errors():
        # One transaction: a writer that stops in between would leave a stream that never expires.
        async with bus.blobs.pipeline(transaction=True) as pipe:
            pipe.xadd(key, {streams.FIELD: body}, maxlen=RING, approximate=True)
            pipe.expire(key, RING_TTL_S)
            await pipe.execute()
