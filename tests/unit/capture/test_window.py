"""The window rule, for every overlap and any arrival of frames."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerman_capture.core import Chunker
from cornerman_capture.looks import look_cutter
from cornerman_capture.window import Window
from cornerman_common.looks import LookPlan
from cornerman_shared.chunk import CHUNK_FRAMES


def chunks_of(overlap: int, n: int) -> list[tuple[int, ...]]:
    window: Window[int] = Window(overlap)
    return [chunk for i in range(n) if (chunk := window.push(i)) is not None]


@given(st.integers(0, 7), st.integers(0, 300))
def test_chunk_is_due_by_the_rule(overlap: int, n: int) -> None:
    chunks = chunks_of(overlap, n)
    stride = CHUNK_FRAMES - overlap
    assert len(chunks) == (0 if n < 8 else 1 + (n - 8) // stride)
    for number, chunk in enumerate(chunks):
        assert chunk == tuple(range(number * stride, number * stride + 8))


@given(st.integers(0, 7), st.lists(st.booleans(), max_size=200))
def test_chunks_never_span_a_break(overlap: int, breaks: list[bool]) -> None:
    """For any breaks, a chunk has 8 consecutive items, newest last, and shares `overlap` with the one before."""
    window: Window[tuple[int, int]] = Window(overlap)
    piece, chunks = 0, []
    for index, broken in enumerate(breaks):
        if broken:
            window.clear()
            piece += 1
        chunk = window.push((piece, index))
        if chunk:
            assert chunk[-1] == (piece, index)
            chunks.append(chunk)
    for chunk in chunks:
        assert len({part for part, _ in chunk}) == 1
        assert [i for _, i in chunk] == list(range(chunk[0][1], chunk[0][1] + 8))
    for before, after in pairwise(chunks):
        if before[0][0] == after[0][0]:
            assert len(set(before) & set(after)) == overlap


@given(st.integers(0, 7), st.lists(st.floats(0.001, 2.0), min_size=1, max_size=300), st.sampled_from([1.0, 4.0, 8.0]))
def test_arbitrary_timing_gives_whole_rising_chunks(overlap: int, steps: list[float], fps: float) -> None:
    import numpy as np

    chunker, picture, now_s = Chunker(look_cutter(LookPlan("chunk", fps, overlap))), np.zeros((2, 2, 3), np.uint8), 0.0
    chunks = []
    for step in steps:
        pts_s, wanted = chunker.stamp(now_s)
        if wanted:
            chunk = chunker.push(pts_s, picture)
            if chunk:
                assert chunk.pts_s == pts_s
                chunks.append(chunk)
        now_s += step
    assert chunker.captured == len(steps)
    assert chunker.due == len(chunks) == (0 if chunker.sampled < 8 else 1 + (chunker.sampled - 8) // (8 - overlap))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert len(chunk.frames) == 8
        assert all(b > a for a, b in pairwise(chunk.frame_pts_s))


@pytest.mark.parametrize("overlap", [-1, 8, 100])
def test_overlap_out_of_range_is_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        Window(overlap)
