"""The gym: seeds determine sessions, truth fits motion, splits are disjoint, frames show a person."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from cornerman_training.gym.exercises import FORMS, REP_S, Style, draw_style
from cornerman_training.gym.kinematics import solve
from cornerman_training.gym.labels import ACTIVITIES, FAULTS, MISTAKES
from cornerman_training.gym.phrases import PRAISE, wordings
from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import plan_session
from cornerman_training.gym.splits import SPLITS, draw, seeded
from cornerman_training.gym.timeline import plan_segments
from cornerman_training.gym.video import render_session


def test_seed_determines_session_and_pixels() -> None:
    a, b = (plan_session(11, "train", fps=8.0, duration_s=20.0) for _ in range(2))
    assert a.feedbacks == b.feedbacks
    assert np.array_equal(a.joints, b.joints)
    assert np.array_equal(SessionRenderer(a, 48).frame(30), SessionRenderer(b, 48).frame(30))
    assert not np.array_equal(a.joints[:50], plan_session(12, "train", fps=8.0, duration_s=20.0).joints[:50])


def test_seed_determines_video(tmp_path: Path) -> None:
    written = []
    for number in range(3):
        path = tmp_path / f"{number}.mp4"
        render_session(12346, "test", out=path, size=64, fps=8.0, duration_s=6.0)
        written.append(path.read_bytes())
    assert written[1] == written[0]
    assert written[2] == written[0]


def test_frame_rate_keeps_session() -> None:
    slow = plan_session(11, "test", fps=8.0, duration_s=20.0, kind="exercise")
    fast = plan_session(11, "test", fps=24.0, duration_s=20.0, kind="exercise")
    assert slow.feedbacks == fast.feedbacks
    assert np.allclose(slow.joints, fast.joints[::3], atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_feedbacks_follow_repetitions(seed: int) -> None:
    session = plan_session(seed, "train", fps=8.0, duration_s=60.0, kind="exercise")
    faulty = [r for r in session.reps if r.mistake]
    corrections = [f for f in session.feedbacks if f.action == "correct"]
    assert [(f.exercise, f.mistake) for f in corrections] == [(r.exercise, r.mistake) for r in faulty]
    for feedback, rep in zip(corrections, faulty, strict=True):
        assert 0.0 < feedback.time_s - rep.end_s < 0.5
    for praise in (f for f in session.feedbacks if f.action == "feedback"):
        last = [r for r in session.reps if r.end_s <= praise.time_s][-3:]
        assert len(last) == 3
        assert not any(r.mistake for r in last)
    times = [f.time_s for f in session.feedbacks]
    shortest_s = 0.42 * 0.92 * min(low for low, _ in REP_S.values()) + 0.15  # a repetition done too fast, and the pause
    assert all(b - a > shortest_s for a, b in itertools.pairwise(times))


def test_quiet_sessions_have_no_feedback() -> None:
    for kind in ("quiet", "footage"):
        for seed in range(4):
            session = plan_session(seed, "test", fps=8.0, duration_s=30.0, kind=kind)
            if kind == "quiet":
                assert session.feedbacks == ()
                assert not session.reps
            assert set(session.activity.tolist()) <= set(range(len(FORMS), len(ACTIVITIES)))


def test_splits_draw_from_disjoint_ranges() -> None:
    drawn = {s: [draw(seeded(i, s, "x"), s, 0.0, 1.0) for i in range(300)] for s in SPLITS}
    slices = {s: {int(v * 10) for v in values} for s, values in drawn.items()}
    assert not slices["train"] & slices["validation"]
    assert not slices["train"] & slices["test"]
    assert not slices["validation"] & slices["test"]


def test_splits_share_no_wording() -> None:
    for exercise, mistakes in MISTAKES.items():
        for mistake in (*mistakes, PRAISE):
            texts = [set(wordings(exercise, mistake, split)) for split in SPLITS]
            assert not texts[0] & texts[1]
            assert not texts[0] & texts[2]
            assert not texts[1] & texts[2]


@pytest.mark.parametrize("exercise", FORMS)
def test_every_mistake_moves_the_body(exercise: str) -> None:
    session = plan_session(1, "train", fps=8.0, duration_s=10.0)
    style = draw_style(np.random.default_rng(1))
    bottom = np.array([1.0])
    good = solve(session.body, FORMS[exercise](session.body, style, bottom, "", 1.0))
    assert len(MISTAKES[exercise]) >= 3
    for mistake in MISTAKES[exercise]:
        if mistake == "too_fast":
            continue
        bad = solve(session.body, FORMS[exercise](session.body, style, bottom, mistake, 1.0))
        assert np.abs(bad - good).max() > 0.08, mistake


def test_bones_keep_length_above_floor() -> None:
    session = plan_session(5, "train", fps=8.0, duration_s=60.0, kind="exercise")
    thigh = np.linalg.norm(session.joints[:, 10] - session.joints[:, 12], axis=-1)
    assert np.allclose(thigh, session.body.thigh, atol=2e-3)
    assert session.joints[:, :, 1].min() > -0.03
    assert np.abs(np.diff(session.joints, axis=0)).max() < 1.0


def test_picture_shows_visible_person() -> None:
    session = plan_session(2, "test", fps=8.0, duration_s=20.0, kind="exercise")
    renderer = SessionRenderer(session, 64)
    index = int(np.flatnonzero(session.visible)[0])
    frame = renderer.frame(index)
    assert frame.shape == (64, 64, 3)
    points = renderer.camera_points(index)
    assert np.abs(points[:4, :2]).max() < 1.0, "head and spine are in the picture"
    assert frame.std() > 8


def test_bad_arguments_are_refused() -> None:
    session = plan_session(2, "test", fps=8.0, duration_s=5.0)
    with pytest.raises(IndexError, match="40 frames"):
        SessionRenderer(session, 48).frame(40)
    with pytest.raises(ValueError, match="one of train, validation, test"):
        plan_session(1, "holdout")
    with pytest.raises(ValueError, match="unknown session kind"):
        plan_session(1, kind="sleep")
    with pytest.raises(ValueError, match="duration_s"):
        plan_session(1, duration_s=1.0)


def test_segments_tile_the_session() -> None:
    for seed in range(6):
        segments = plan_segments(seed, "train", 45.0, quiet=False)
        assert segments[0].start_s == 0.0
        assert segments[-1].end_s == pytest.approx(45.0)
        assert all(a.end_s == b.start_s for a, b in itertools.pairwise(segments))
    assert len(FAULTS) == sum(len(m) for m in MISTAKES.values())
    assert isinstance(draw_style(np.random.default_rng(0)), Style)
