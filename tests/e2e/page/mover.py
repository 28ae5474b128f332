"""An actor whose person is seen as a skeleton: decisions say what they are about, and landmarks are on the bus."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from cornerman_pose.landmarks import INDEX, LANDMARKS, Person, SeenChunk
from cornerman_pose.picture import PictureStats
from cornerman_pose.wire import pack_chunk
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import DecisionEvent, Event, Features, MistakeSeen, MovementSeen, WorkerStatus
from cornerman_shared.bus.streams import FIELD
from cornerman_shared.bus.workers import publish_status
from tests.integration.gateway_harness import Actor, figure

REPETITION_S = 4.0
SIZE = (640, 360)
SHALLOW = MistakeSeen("too_shallow", "hip", 0.9, ("hips", "knees", "ankles"))
_JOINTS = {
    "hip": ("left_hip", "right_hip"),
    "knee": ("left_knee", "right_knee"),
    "foot": ("left_ankle", "right_ankle", "left_heel", "right_heel"),
    "hand": ("left_wrist", "right_wrist"),
    "neck": ("left_shoulder", "right_shoulder"),
}


def person(pts_s: float) -> Person:
    """The drawn person as landmarks; those that are not drawn are not visible."""
    xy, seen = np.zeros((LANDMARKS, 2), np.float32), np.zeros(LANDMARKS, np.float32)
    for joint, place in figure(pts_s, SIZE).items():
        for name in _JOINTS[joint]:
            xy[INDEX[name]], seen[INDEX[name]] = place, 1.0
    return Person(xy, np.zeros((LANDMARKS, 3), np.float32), seen, 1.0)


def about(pts_s: float, missing: tuple[str, ...] = ()) -> MovementSeen:
    """Squats, every second one too shallow."""
    count = int(pts_s // REPETITION_S)
    mistakes = (SHALLOW,) if count % 2 == 1 else ()
    return MovementSeen(
        "squat", 0.9, count, pts_s % REPETITION_S / REPETITION_S, False, mistakes, 1.0,
        "partly" if missing else "whole", missing, (), "side", 1, "the only person", (),
        0, "lean", (round(pts_s - 0.25, 3), round(pts_s, 3)), (20.0, 60.0 if mistakes else 30.0), 47.0, "above",
    )  # fmt: skip


@dataclass
class Mover(Actor):
    """An actor with landmarks.

    Attributes:
        missing: parts of the body that it says are not seen.
    """

    missing: tuple[str, ...] = ()

    async def emit(self, event: Event) -> str:
        if isinstance(event, DecisionEvent):
            event = replace(event, about=self.about(event.pts_s))
            await self.landmarks(event)
        return await super().emit(event)

    def about(self, pts_s: float) -> MovementSeen:
        """What the decision at a media time is about."""
        return about(pts_s, self.missing)

    def seen(self, pts_s: tuple[float, ...]) -> SeenChunk:
        """The landmarks of a chunk."""
        return SeenChunk.of_rows([[person(at) for at in pts_s]], (SIZE[1], SIZE[0]), pts_s)

    async def landmarks(self, event: DecisionEvent) -> None:
        """Puts the chunk's landmarks where an encoder puts them."""
        pts_s = tuple(max(0.0, event.pts_s - (7 - index) * self.chunk_s / 4) for index in range(8))
        seen = self.seen(pts_s)
        features = Features(
            self.source_id, self.run, event.seq, event.pts_s, 0.0, False, "ok", None, None, None, None, pts_s, "pose",
            event.times, pack_chunk(seen, PictureStats(120.0, 120.0, 0.0)),
        )  # fmt: skip
        key = self.bus.keys(self.source_id).features
        await self.bus.redis.xadd(key, {FIELD: pack(features)}, maxlen=400)


def mover(bus: Bus, **changes: object) -> Mover:
    """A mover that says something every few seconds."""
    values: dict[str, object] = {"chunk_s": 0.5, "say_every": 10, "latency_s": 0.3, "jitter_s": 0.05, "word_s": 0.02}
    return Mover(bus, "demo", **{**values, **changes})  # type: ignore[arg-type]


async def report_encoder(bus: Bus) -> None:
    """Reports an encoder that sees bodies, again and again, as its process does."""
    while True:
        now_s = bus.clock.now_s()
        status = WorkerStatus("encoder", "e1", 1, "h", "running", now_s, now_s, 1, 0, {}, models={"backend": "pose"})
        await publish_status(bus, status)
        await asyncio.sleep(0.5)
