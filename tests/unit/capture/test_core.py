"""Motion, chunking and chunk counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cornerman_capture.core import ChunkCounts, Chunker, PendingChunk, SampledFrame
from cornerman_capture.looks import look_cutter
from cornerman_capture.motion import grey, motion
from cornerman_common.looks import LookPlan


def flat(value: int, size: tuple[int, int] = (224, 398)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def test_motion_is_mean_grey_difference() -> None:
    assert motion(grey(flat(0)), grey(flat(255))) == pytest.approx(1.0)
    assert motion(grey(flat(100)), grey(flat(151))) == pytest.approx(0.2)
    assert motion(grey(flat(7)), grey(flat(7))) == 0.0


def test_changed_quarter_counts_a_quarter() -> None:
    changed = flat(0)
    changed[:112, :199] = 255
    assert motion(grey(flat(0)), grey(changed)) == pytest.approx(0.25, abs=0.01)


@given(arrays(np.uint8, st.tuples(st.integers(1, 150), st.integers(1, 150), st.just(3))))
def test_grey_keeps_the_brightness(rgb: np.ndarray) -> None:
    cells = grey(rgb)
    assert cells.shape == (64, 64)
    assert cells.min() >= 0 and cells.max() <= 255.01


@given(arrays(np.uint8, (128, 192, 3)))
def test_grey_cells_are_pixel_means(rgb: np.ndarray) -> None:
    expected = (rgb.astype(float) @ [0.299, 0.587, 0.114]).reshape(64, 2, 64, 3).mean(axis=(1, 3))
    assert np.abs(grey(rgb) - expected).max() < 0.01


def test_pending_chunk_stacks_eight_frames() -> None:
    chunk = PendingChunk(0, tuple(SampledFrame(i / 8, flat(i, (32, 48))) for i in range(8)))
    assert chunk.stacked().shape == (8, 32, 48, 3)
    assert chunk.stacked().flags.c_contiguous
    assert [int(frame[0, 0, 0]) for frame in chunk.stacked()] == list(range(8))
    assert chunk.pts_s == 7 / 8
    assert chunk.motion() == pytest.approx(7 / 255)


def test_changed_size_starts_a_new_chunk() -> None:
    chunker = Chunker(look_cutter(LookPlan("chunk", 8.0, 4)))
    chunks = []
    for i in range(20):
        pts_s, wanted = chunker.stamp(i / 8)
        assert wanted
        chunk = chunker.push(pts_s, flat(0, (32, 32) if i < 5 else (32, 48)))
        chunks.append(chunk is not None)
    assert chunks.index(True) == 12
    assert chunker.due == 2


def test_restart_clears_window_and_keeps_time() -> None:
    chunker = Chunker(look_cutter(LookPlan("chunk", 8.0, 4)))
    for i in range(7):
        chunker.push(chunker.stamp(i / 8)[0], flat(0, (8, 8)))
    chunker.restart(10.0)
    pts_s, _ = chunker.stamp(0.0)
    assert pts_s == pytest.approx(6 / 8 + 10.0)
    assert chunker.push(pts_s, flat(0, (8, 8))) is None


@given(st.lists(st.sampled_from(["published", "no_credit", "behind"]), max_size=100), st.integers(0, 5))
def test_every_pending_chunk_is_counted(outcomes: list[str], in_hand: int) -> None:
    counts = ChunkCounts()
    for outcome in outcomes:
        if outcome == "published":
            counts.published += 1
        else:
            counts.drop(outcome)
    due = len(outcomes) + in_hand
    assert counts.pending(due) == in_hand
    counts.drop("stopped", counts.pending(due))
    counters = counts.counters(1000, 500, due)
    dropped = sum(count for name, count in counters.items() if name.startswith("dropped:"))
    assert counters["due"] == counts.published + dropped == due


def test_continued_run_counts_published_chunks() -> None:
    assert ChunkCounts(published=10).counters(40, 20, 3)["due"] == 10
    assert ChunkCounts(published=10).pending(3) == 0
