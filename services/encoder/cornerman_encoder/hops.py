"""Builds the hops of the encoder: exactly one `Features` for each `Chunk`, whether or not it was encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerman_shared.bus.hop import Hop
from cornerman_shared.bus.messages import Features

if TYPE_CHECKING:
    from cornerman_shared.bus.messages import Chunk, FeatureStatus
    from cornerman_shared.bus.streams import Keys
    from cornerman_shared.settings.tree import BusSettings


def features_of(
    chunk: Chunk,
    status: FeatureStatus,
    *,
    model: str,
    now_s: float,
    kept_frames: bool = False,
    begun_at_s: float = 0.0,
    prepare_s: float = 0.0,
) -> Features:
    """Features of a chunk without computed arrays.

    Args:
        kept_frames: passes its pixels on.
        begun_at_s: when the encoder began to compute, unix seconds; 0 = it did not.
        prepare_s: how long it then made pixels for the model.
    """
    prepared_at_s = begun_at_s + prepare_s if begun_at_s else 0.0
    times = chunk.times.reached("begun", begun_at_s).reached("prepared", min(prepared_at_s, now_s))
    return Features(
        source_id=chunk.source_id,
        run=chunk.run,
        seq=chunk.seq,
        pts_s=chunk.pts_s,
        motion=chunk.motion,
        lossless=chunk.lossless,
        status=status,
        vector=None,
        context=None,
        video=None,
        frames=chunk.frames if kept_frames else None,
        frame_pts_s=chunk.frame_pts_s,
        model=model,
        times=times.reached("encoded", now_s),
        incarnation=chunk.incarnation,
        look=chunk.look,
        thumbnail=chunk.thumbnail,
        traceparent=chunk.traceparent,
    )


def hop_for(keys: Keys, bus: BusSettings, chunk: Chunk, features: Features) -> Hop:
    """Hop that passes features on and frees the pixels, unless the generator needs them."""
    hop = Hop().add(keys.features, features, bus.maxlen)
    return hop.free([chunk.frames]) if features.frames is None else hop
