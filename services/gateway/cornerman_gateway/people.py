"""Landmarks of people for a page that draws them: read from the features of the encoders, while a page is connected.

Nothing is read without a viewer, and nothing is taken from the deciders: entries stay until the stream is trimmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final

from cornerman_gateway.feature_reader import PAGE, FeatureReader
from cornerman_pose.errors import PoseError
from cornerman_pose.wire import unpack_chunk
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.messages import Features
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

log = get_logger("gateway")

POLL_S: Final = 0.1
BEHIND_MS: Final = 5_000
"""A new viewer's picture is delayed: it gets the landmarks of the last seconds, too."""


def seen_people(features: Features, after_s: float) -> dict[str, Any] | None:
    """The people of a chunk's frames later than `after_s`, as a page gets them; None without landmarks or new frames.

    `frames` is a list of `pts_s`, `people` and `rows`; a person is 33 times x and y, as parts of the picture's width
    and height, and visibility 0..1. A person that was not found in a frame is left out of it; `rows` are the others'
    rows in the chunk, as a decision's `about.row` names the one followed.

    Raises:
        PoseError: landmarks of another release.
    """
    if features.people is None:
        return None
    seen, _ = unpack_chunk(features.people, features.frame_pts_s)
    height, width = seen.size_px
    frames = []
    for index, pts_s in enumerate(seen.frame_pts_s):
        if pts_s <= after_s:
            continue
        people, rows = [], []
        for row in range(seen.people):
            if seen.found[row, index]:
                xy = seen.image_px[row, index] / (max(width, 1), max(height, 1))
                sight = seen.visibility[row, index]
                numbers = zip(xy.tolist(), sight.tolist(), strict=True)
                rows.append(row)
                people.append([[round(x, 4), round(y, 4), round(v, 2)] for (x, y), v in numbers])
        frames.append({"pts_s": round(pts_s, 6), "people": people, "rows": rows})
    if not frames:
        return None
    return {"run": features.run, "seq": features.seq, "frames": frames}


class SeenPeople:
    """Landmarks of one source, each frame once."""

    def __init__(self, bus: Bus, source_id: str) -> None:
        self._bus = bus
        self._source_id = source_id
        self._run = ""
        self._after_s = -1.0

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yields `seen_people` of the last seconds, then as they come, without end.

        Raises:
            RetryableError: no answer from the server.
        """
        reader = await FeatureReader.at_newest(self._bus, self._source_id, BEHIND_MS)
        while True:
            bodies = await reader.read()
            for message in self.take(bodies):
                yield message
            if len(bodies) < PAGE:
                await asyncio.sleep(POLL_S)

    def take(self, bodies: Iterable[bytes]) -> list[dict[str, Any]]:
        """What is new of this source in entries of the stream; an unreadable one is logged and left out."""
        found = []
        for body in bodies:
            try:
                features = unpack(body, Features)
                if features.source_id != self._source_id:
                    continue
                if features.run != self._run:
                    self._run, self._after_s = features.run, -1.0
                message = seen_people(features, self._after_s)
            except (MalformedError, PoseError) as error:
                log.warning("landmarks_unusable", source_id=self._source_id, error=str(error))
                continue
            if message is not None:
                self._after_s = message["frames"][-1]["pts_s"]
                found.append(message)
        return found
