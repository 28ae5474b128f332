"""Streams of labelled chunks."""

from __future__ import annotations

import numpy as np

from cornerman_training.chunks import ChunkStream
from cornerman_training.gym.labels import ACTIVITIES


def test_stream_is_labelled_and_ends() -> None:
    with ChunkStream(3, "train", 6, length=1, pool=4) as stream:
        assert next(iter(stream)).frames.shape == (6, 1, 112, 112, 3)
    with ChunkStream(3, "train", 4, pool=4) as stream:
        chunks = next(iter(stream))
    assert chunks.frames.shape == (4, 8, 112, 112, 3)
    assert chunks.activity.max() < len(ACTIVITIES)
    assert np.isfinite(chunks.joints).all()
    assert not stream._thread.is_alive()
