"""The session of the bundled clip: what is shown, and that the committed clip and its truth are of it."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest

from cornerman.local.demo_clip import ASSETS
from cornerman_training.gym.demo import DURATION_S, HEIGHT, SETS, WIDTH, WrittenSet, demo_session, written_segments
from cornerman_training.gym.labels import EXERCISES
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.splits import seeded
from cornerman_training.gym.truth import truth


def test_every_exercise_shows_one_mistake() -> None:
    session = demo_session(fps=8.0)
    assert {written.exercise for written in SETS} == set(EXERCISES)
    assert [f.mistake for f in session.feedbacks if f.action == "correct"] == [
        mistake for written in SETS for mistake in written.mistakes if mistake
    ]
    assert sum(f.action == "feedback" for f in session.feedbacks) == 2


def test_committed_truth_is_of_this_session() -> None:
    committed = json.loads((ASSETS / "demo.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(truth(demo_session())))


def test_committed_clip_is_small_and_wide() -> None:
    path = ASSETS / "demo.mp4"
    assert path.stat().st_size <= 1_500_000
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (WIDTH, HEIGHT, DURATION_S * 30)
        assert stream.codec_context.name == "h264"


def test_figure_stays_in_the_middle_square() -> None:
    """The image tower sees the middle square of a wide picture, as in training."""
    session = demo_session(fps=4.0)
    renderer = SessionRenderer(session, 160, 90)
    points = np.stack([renderer.camera_points(index) for index in range(session.frames)])
    assert np.abs(points[..., 0]).max() < 90 / 160
    assert np.abs(points[..., 1]).max() < 1.05  # a toe in the lunge, as in training


def test_too_long_programme_is_refused() -> None:
    with pytest.raises(ValueError, match="the sets take"):
        written_segments((WrittenSet("squat", 3.0, ("",) * 9),), seeded(1, "test", "timeline"), 10.0)
