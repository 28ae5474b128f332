"""Pictures of moments that had words but no viewer: capture keeps the frame, the JPEG is made here on request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cornerman_media.errors import PictureError
from cornerman_shared.bus.codec import unpack_map
from cornerman_shared.bus.redis_client import patient_errors
from cornerman_shared.bus.streams import moment_ms, still_field
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

log = get_logger("gateway")

QUALITY = 90
LARGEST_BYTES = 64 * 1024 * 1024


async def still(bus: Bus, source_id: str, run: str, pts_s: float, *, width: int | None = None) -> bytes | None:
    """Returns a JPEG of the moment; None when there were no words about it, or it is gone.

    Args:
        width: pixels, at most; None = as stored.

    Raises:
        RetryableError: no answer from the server.
    """
    with patient_errors():
        body = await bus.blobs.hget(bus.keys(source_id).stills(source_id), still_field(run, moment_ms(pts_s)))
    if body is None:
        return None
    try:
        return await asyncio.to_thread(_jpeg, body, width)
    except (MalformedError, PictureError) as error:
        log.warning("still_unusable", source_id=source_id, pts_s=pts_s, error=str(error))
        return None


def _jpeg(body: bytes, most_wide: int | None) -> bytes:
    """Raises MalformedError or PictureError."""
    import av
    import numpy as np

    from cornerman_media.jpeg import JpegEncoder

    fields = unpack_map(body)
    height, width, rgb = fields.get("height"), fields.get("width"), fields.get("rgb")
    if not isinstance(height, int) or not isinstance(width, int) or not isinstance(rgb, bytes):
        raise MalformedError("a still needs height and width (whole numbers) and rgb (bytes)")
    if len(rgb) != height * width * 3 or not 0 < len(rgb) <= LARGEST_BYTES:
        raise MalformedError(f"a still of {width}x{height} has {len(rgb)} bytes; it needs {height * width * 3}")
    frame = av.VideoFrame.from_ndarray(np.frombuffer(rgb, np.uint8).reshape(height, width, 3), format="rgb24")
    return JpegEncoder(min(width, most_wide or width) + 1, QUALITY).jpeg(frame)
