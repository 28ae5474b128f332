"""Landmarks of people for a page that draws them: read from the features of the encoders, while a page is connected.

Nothing is read without a viewer, and nothing is taken from the deciders: entries stay until the stream is trimmed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final

from cornerman_gateway.feature_reader import PAGE, FeatureReader
from cornerman_pose.errors import PoseError
from cornerman_pose.wire import unpack_chunk
from cornerman_shared.bus.codec import unpack
from cornerman_shared.bus.messages import Features
from cornerman_shared.bus.resequence import Gap, Resequencer
from cornerman_shared.errors import MalformedError
from cornerman_shared.process.logs import get_logger

if TYPE_CHECKING:
    from cornerman_shared.bus.connection import Bus

log = get_logger("gateway")

POLL_S: Final = 0.1
BEHIND_MS: Final = 5_000
"""A new viewer's picture is delayed: it gets the landmarks of the last seconds, too."""

GAP_S: Final = 1.0
"""Later chunks wait so long for a missing one: several are encoded at once, and they end in any order."""

RUNS_KNOWN: Final = 8
MOST_HELD: Final = 16
"""More chunks that wait end the wait: eight seconds of a live source."""


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
    """Landmarks of one source in the order of its chunks, each frame once."""

    def __init__(self, bus: Bus, source_id: str) -> None:
        self._bus = bus
        self._source_id = source_id
        self._run = ""
        self._over: deque[str] = deque(maxlen=RUNS_KNOWN)
        self._order: Resequencer[Features] = Resequencer(0, MOST_HELD)
        self._after_s = -1.0

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yields `seen_people` of the last seconds, then as they come, without end.

        Raises:
            RetryableError: no answer from the server.
        """
        reader = await FeatureReader.at_newest(self._bus, self._source_id, BEHIND_MS)
        while True:
            bodies = await reader.read()
            for message in self.take(bodies, self._bus.clock.monotonic_s()):
                yield message
            if len(bodies) < PAGE:
                await asyncio.sleep(POLL_S)

    def take(self, bodies: Iterable[bytes], now_s: float) -> list[dict[str, Any]]:
        """What can be sent after these entries of the stream, at a moment; an unreadable one is logged and left out."""
        own = [features for features in map(self._read, bodies) if features is not None]
        found: list[dict[str, Any]] = []
        for features in own:
            if features.run in self._over:
                continue  # an encoder was late with it
            if features.run != self._run:
                # A viewer begins anywhere in the first run that it sees, and sees the others from their start.
                first = 0 if self._run else min(each.seq for each in own if each.run == features.run)
                found += self._sent(now_s, gap_s=0.0)
                self._over.append(self._run)
                self._run, self._after_s = features.run, -1.0
                self._order = Resequencer(first, MOST_HELD)
            self._order.push(features.seq, features, now_s)
        return found + self._sent(now_s, GAP_S)

    def _read(self, body: bytes) -> Features | None:
        try:
            features = unpack(body, Features)
        except MalformedError as error:
            self._warn(error)
            return None
        return features if features.source_id == self._source_id else None

    def _sent(self, now_s: float, gap_s: float) -> list[dict[str, Any]]:
        """Messages of the chunks whose turn it is."""
        found = []
        while (features := self._order.pop(now_s, gap_s)) is not None:
            if isinstance(features, Gap):
                continue
            try:
                message = seen_people(features, self._after_s)
            except PoseError as error:
                self._warn(error)
                continue
            if message is not None:
                self._after_s = message["frames"][-1]["pts_s"]
                found.append(message)
        return found

    def _warn(self, error: Exception) -> None:
        log.warning("landmarks_unusable", source_id=self._source_id, error=str(error))
