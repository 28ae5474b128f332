"""Takes of an exercise as an encoder puts them on the bus: chunks of eight frames that share two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cornerman_pose.landmarks import LandmarkTrack, Person, SeenChunk
from cornerman_pose.picture import PictureStats
from cornerman_pose.wire import pack_chunk
from cornerman_shared.bus.codec import pack
from cornerman_shared.bus.connection import Bus
from cornerman_shared.bus.messages import Features, Times
from cornerman_shared.bus.streams import FIELD
from tests.unit.pose.moves import take

FRAMES, STEP = 8, 6


def features_of(
    track: LandmarkTrack, source_id: str = "cam", run: str = "r", captured_at_s: float = 1.0, from_s: float = 1000.0
) -> Iterator[Features]:
    """The features of a take whose first frame has the media time `from_s`."""
    for seq, start in enumerate(range(0, len(track) - FRAMES + 1, STEP)):
        index = range(start, start + FRAMES)
        pts_s = tuple(from_s + float(track.t_s[i]) for i in index)
        people = [Person(track.image_px[i], track.world_m[i], track.visibility[i], 1.0) for i in index]
        seen = SeenChunk.of_rows([people], track.size_px, pts_s)
        yield Features(
            source_id, run, seq, pts_s[-1], 0.0, False, "ok", None, None, None, None, pts_s, "pose",
            Times(captured_at_s), pack_chunk(seen, PictureStats(120.0, 120.0, 0.0)),
        )  # fmt: skip


async def show(
    bus: Bus, source_id: str, repetitions: int = 5, lean: float = 0.0, run: str = "r", last: bool = True
) -> None:
    """Puts a take on the stream.

    Args:
        last: its last frames count as captured long after now, so that a recording ends with them.
    """
    chunks = list(features_of(take(repetitions, lean), source_id, run))
    if last:
        chunks[-1] = replace(chunks[-1], times=Times(bus.clock.now_s() + 300.0))
    async with bus.redis.pipeline(transaction=False) as pipe:
        for features in chunks:
            pipe.xadd(bus.keys(source_id).features, {FIELD: pack(features)})
        await pipe.execute()
