"""A watcher knows for how long it has seen the followed body, also in another process."""

from __future__ import annotations

import numpy as np
import pytest

from cornerman_pose.landmarks import SeenChunk
from cornerman_pose.picture import PictureStats
from cornerman_pose.reader import bundled_net
from cornerman_pose.unlikeness import UnlikenessMeter
from cornerman_pose.watcher import PoseWatcher
from tests.unit.pose.bodies import chunk, person

BRIGHT = PictureStats(150.0, 150.0, 0.0)
STEP = 4
"""New frames of a chunk."""


def watcher_after(chunks: list[SeenChunk]) -> PoseWatcher:
    watcher = PoseWatcher(bundled_net(), UnlikenessMeter.bundled())
    for seen in chunks:
        watcher.push(seen, BRIGHT)
    return watcher


def frames_of_body(watcher: PoseWatcher) -> int:
    return int(str(watcher.memory()["figure.frames"]))


def test_another_followed_body_may_be_a_figure_or_not() -> None:
    """The larger one takes over while both are in the picture, so no frame lacks a body."""
    small, large = [person(120, metre=45)], [person(280, metre=90)]
    watcher = watcher_after([chunk(small, start_s=-0.5)])
    counts, switched = [frames_of_body(watcher)], []
    for number in range(20):
        seen = watcher.push(chunk(small, large, start_s=number / 2), BRIGHT)
        counts.append(frames_of_body(watcher))
        switched.append(seen.subject.switched)
    at = switched.index(True)
    assert sum(switched) == 1
    assert counts[at] == pytest.approx(counts[0] + STEP * at, abs=2)
    assert counts[at + 1 :] == [STEP * number for number in range(1, 21 - at)]


def test_another_process_goes_on_with_the_same_body() -> None:
    """It settles on the last four seconds; the estimator's errors are summed over twenty."""
    chunks = [chunk([person(200)], start_s=number / 2) for number in range(40)]
    first = watcher_after(chunks[:30])
    second = PoseWatcher(bundled_net(), UnlikenessMeter.bundled())
    second.resume(first.memory())
    for seen in chunks[30:]:
        assert first.push(seen, BRIGHT).exercise == second.push(seen, BRIGHT).exercise
    assert frames_of_body(first) == frames_of_body(second) == pytest.approx(STEP * 40, abs=8)
    one, two = (np.asarray(watcher.memory()["figure.sums"], float) for watcher in (first, second))
    assert np.allclose(one, two, rtol=0.01, atol=0.02)


def test_memory_of_a_release_without_figures_is_read() -> None:
    first = watcher_after([chunk([person(200)], start_s=number / 2) for number in range(20)])
    older = {name: value for name, value in first.memory().items() if not name.startswith("figure.")}
    second = PoseWatcher(bundled_net(), UnlikenessMeter.bundled())
    second.resume(older)
    assert frames_of_body(second) == 32
