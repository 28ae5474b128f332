"""The one end of a request, as an event."""

from __future__ import annotations

import pytest

from cornerman_generator.hops import ReplyOutcome, end_event
from cornerman_shared.bus.messages import ChunkRef
from tests.integration.generator_harness import request


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        ([(1.0, 1.5, 2.0), (1.5, 2.0, 2.5)], (1.0, 1.5, 2.0, 2.5)),
        ([(0.5,)], (0.5,)),
        ([], ()),
    ],
    ids=["overlapping chunks", "one frame", "nothing seen"],
)
def test_end_names_its_frames(frames: list[tuple[float, ...]], shown: tuple[float, ...]) -> None:
    chunks = tuple(ChunkRef(seq, pts_s[-1], pts_s, None, None, None) for seq, pts_s in enumerate(frames))
    end = end_event(request(chunks=chunks), ReplyOutcome("done", 1, "tiny"), 9.0)
    assert end.frame_pts_s == shown
